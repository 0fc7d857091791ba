//! One connection of the admin port: requests one after another, with a bound on the time that the
//! client takes for each step. Control thread.
//!
//! A connection between two requests stays open much longer than a request head may take, so that a
//! client with a fixed interval finds it open. Its age is not bounded: a bound could end it just
//! when the client sends its next request.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time;

use crate::limits::ADMIN_BUFFER_BYTES;

use super::slots::{Slot, Stage};

/// Serves requests until the client or a time limit ends the connection.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Send,
    router: Router,
    slot: Arc<Slot>,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        slot.enter(Stage::Receiving);
        request.extensions_mut().insert(Arc::clone(&slot));
        let response = router.call(request);
        let slot = &slot;
        async move {
            let response: Result<Response, Infallible> = response.await;
            slot.enter(Stage::Idle);
            response
        }
    });
    let (reader, writer) = tokio::io::split(stream);
    let reader = Requests {
        reader,
        slot: &slot,
    };
    let connection = http1::Builder::new()
        // hyper would have one limit for a head and for the pause before it. See `overdue`.
        .header_read_timeout(None::<Duration>)
        .max_buf_size(ADMIN_BUFFER_BYTES)
        .serve_connection(TokioIo::new(tokio::io::join(reader, writer)), service);
    tokio::select! {
        // Errors of a client need no handling: hyper has answered or closed.
        _ = connection => {}
        () = overdue(&slot) => {}
    }
}

/// Returns when the deadline of the connection's stage has passed.
async fn overdue(slot: &Slot) {
    loop {
        tokio::select! {
            () = slot.changed() => {}
            () = wait_until(slot.deadline()) => return,
        }
    }
}

/// Waits for ever without a deadline.
async fn wait_until(deadline: Option<time::Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The bytes that a client sends. The first bytes after an answer begin the head of a request.
struct Requests<'a, R> {
    reader: R,
    slot: &'a Slot,
}

impl<R: AsyncRead + Unpin> AsyncRead for Requests<'_, R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.reader).poll_read(context, buffer);
        if buffer.filled().len() > before {
            this.slot.note_received();
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::runtime::Builder;
    use tokio::time::Instant;

    use crate::limits::{ADMIN_HEAD_TIMEOUT, ADMIN_IDLE_TIMEOUT};

    use super::super::slots::Slots;
    use super::*;

    const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

    /// Longer than any request may take.
    const LONG: Duration = Duration::from_secs(300);

    /// Runs a client of a connection. The clock stands still while there is something to do, and
    /// otherwise jumps to the next timer.
    fn with_connection(client: impl AsyncFnOnce(DuplexStream)) {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (stream, served) = tokio::io::duplex(64 * 1024);
            let answer = async |body: Bytes| {
                if body == "slow" {
                    time::sleep(LONG).await;
                }
                format!("{} bytes", body.len())
            };
            let router = Router::new().route("/", post(answer));
            let (slot, _) = Slots::default().add(Instant::now());
            tokio::spawn(serve(served, router, slot));
            client(stream).await;
        });
    }

    /// Reads until the last answer ends with this text.
    async fn read_until(stream: &mut DuplexStream, end: &str) -> String {
        let mut answer = String::new();
        while !answer.ends_with(end) {
            let mut bytes = [0; 512];
            let read = stream.read(&mut bytes).await.unwrap();
            assert!(read > 0, "the connection is closed: {answer}");
            answer += std::str::from_utf8(&bytes[..read]).unwrap();
        }
        answer
    }

    /// Sends a request and reads the answer.
    async fn ask(stream: &mut DuplexStream) {
        stream.write_all(REQUEST).await.unwrap();
        let answer = read_until(stream, "2 bytes").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }

    /// Waits until the server closes the connection, and asserts that it does so after `expected`.
    async fn assert_closed_after(stream: &mut DuplexStream, expected: Duration) {
        let began = Instant::now();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        let after = began.elapsed();
        assert!(rest.is_empty(), "{rest:?}");
        let tolerance = Duration::from_millis(10);
        assert!(
            (expected..expected + tolerance).contains(&after),
            "{after:?}"
        );
    }

    #[test]
    fn a_client_with_an_interval_keeps_its_connection() {
        for interval_s in [1, 5, 15, 60] {
            with_connection(async |mut stream| {
                let began = Instant::now();
                ask(&mut stream).await;
                while began.elapsed() < LONG {
                    time::sleep(Duration::from_secs(interval_s)).await;
                    ask(&mut stream).await;
                }
            });
        }
    }

    #[test]
    fn a_connection_is_closed_after_the_time_for_a_first_request_or_for_the_next_one() {
        with_connection(async |mut stream| {
            assert_closed_after(&mut stream, ADMIN_HEAD_TIMEOUT).await;
        });
        with_connection(async |mut stream| {
            time::sleep(ADMIN_HEAD_TIMEOUT / 2).await;
            ask(&mut stream).await;
            assert_closed_after(&mut stream, ADMIN_IDLE_TIMEOUT).await;
        });
    }

    #[test]
    fn a_head_in_pieces_has_the_time_of_one_head() {
        with_connection(async |mut stream| {
            ask(&mut stream).await;
            time::sleep(ADMIN_IDLE_TIMEOUT / 2).await;
            stream.write_all(&REQUEST[..1]).await.unwrap();
            time::sleep(ADMIN_HEAD_TIMEOUT / 2).await;
            stream.write_all(&REQUEST[1..9]).await.unwrap();
            assert_closed_after(&mut stream, ADMIN_HEAD_TIMEOUT / 2).await;
        });
        with_connection(async |mut stream| {
            for piece in REQUEST.chunks(20) {
                time::sleep(Duration::from_secs(1)).await;
                stream.write_all(piece).await.unwrap();
            }
            read_until(&mut stream, "2 bytes").await;
            ask(&mut stream).await;
        });
    }

    #[test]
    fn a_slow_answer_is_not_cut_off_and_the_next_request_may_already_wait() {
        with_connection(async |mut stream| {
            let slow = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nslow";
            stream.write_all(slow).await.unwrap();
            stream.write_all(REQUEST).await.unwrap();
            let answers = read_until(&mut stream, "2 bytes").await;
            assert!(answers.contains("4 bytes"), "{answers}");
            ask(&mut stream).await;
        });
    }
}
