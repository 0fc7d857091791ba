//! A server over HTTP for tests, which also does what a server should not do, and the shards that
//! ask the service thread. Threads of tests.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

use crate::access::{ServiceAnswer, ServiceQuestion};
use crate::config::Config;
use crate::fabric::Fabric;
use crate::hub::Ticket;
use crate::shard;

use super::calls::ServiceCallHandler;

/// The reaction of the server to a request.
#[derive(Clone, Debug)]
pub(super) enum Reaction {
    /// A response with a status and a body. The connection is kept.
    Respond(u16, Vec<u8>),
    /// These bytes, then the end of the connection.
    Bytes(Vec<u8>),
    /// A complete response, one byte every 20 ms.
    Drip(Vec<u8>),
    /// No byte, and no end of the connection.
    Silence,
}

impl Reaction {
    pub(super) fn ok(body: &str) -> Self {
        Self::Respond(200, body.as_bytes().into())
    }
}

/// A running server. It reacts to all requests in the same way, until another way is set.
pub(super) struct Stub {
    pub(super) url: String,
    reaction: Arc<Mutex<Reaction>>,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

impl Stub {
    pub(super) async fn start(reaction: Reaction) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stub = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            reaction: Arc::new(Mutex::new(reaction)),
            requests: Arc::default(),
            connections: Arc::default(),
        };
        let (reaction, requests) = (Arc::clone(&stub.reaction), Arc::clone(&stub.requests));
        let connections = Arc::clone(&stub.connections);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                *connections.lock().unwrap() += 1;
                let serve = serve(socket, Arc::clone(&reaction), Arc::clone(&requests));
                tokio::spawn(serve);
            }
        });
        stub
    }

    pub(super) fn react(&self, reaction: Reaction) {
        *self.reaction.lock().unwrap() = reaction;
    }

    /// Returns the requests that were received, with their bodies.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

async fn serve(
    mut socket: TcpStream,
    reaction: Arc<Mutex<Reaction>>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    while let Some(request) = read_request(&mut socket).await {
        requests.lock().unwrap().push(request);
        let reaction = reaction.lock().unwrap().clone();
        match reaction {
            Reaction::Respond(status, body) => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nlocation: /other\r\n\r\n",
                    body.len()
                );
                let _ = socket.write_all(&[head.as_bytes(), &body].concat()).await;
            }
            Reaction::Bytes(bytes) => {
                let _ = socket.write_all(&bytes).await;
                return;
            }
            Reaction::Drip(bytes) => {
                for byte in bytes {
                    let _ = socket.write_all(&[byte]).await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                return;
            }
            Reaction::Silence => std::future::pending().await,
        }
    }
}

/// Reads a request with its body. Returns `None` at the end of the connection.
async fn read_request(socket: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Some(text);
            }
        }
        if socket.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
}

/// Shards that ask the service thread, and its handler of questions.
pub(super) struct Asker {
    pub(super) fabric: Arc<Fabric>,
    next: u32,
}

impl Asker {
    /// Creates two shards, and the handler that answers them with the configuration.
    pub(super) fn new(config: &Config) -> (Self, ServiceCallHandler) {
        let wake = || shard::wake().expect("the process may open an event descriptor");
        let fabric = Arc::new(Fabric::new(vec![wake(), wake()], wake(), 1));
        let handler = ServiceCallHandler::new(config, Arc::clone(&fabric)).unwrap();
        (Self { fabric, next: 0 }, handler)
    }

    /// Runs `test` with shards whose questions are answered.
    pub(super) fn run<F: Future<Output = ()>>(config: &Config, test: impl FnOnce(Self) -> F) {
        run(async {
            let (asker, mut handler) = Self::new(config);
            tokio::select! {
                () = test(asker) => {}
                () = handler.run() => unreachable!("the handler does not end"),
            }
        });
    }

    pub(super) fn ask(&mut self, shard: usize, question: ServiceQuestion) -> Ticket {
        self.ask_at(self.fabric.clock.now_us(), shard, question)
    }

    pub(super) fn ask_at(
        &mut self,
        now_us: u64,
        shard: usize,
        question: ServiceQuestion,
    ) -> Ticket {
        self.next += 1;
        let ticket = Ticket::numbered(self.next);
        let asked = self.fabric.ask_service(shard, ticket, question, now_us);
        asked.expect("the service thread takes the question");
        ticket
    }

    /// Waits for the next answer to a shard.
    pub(super) async fn answer(&self, shard: usize) -> (Ticket, ServiceAnswer) {
        for _ in 0..2000 {
            if let Some(answer) = self.fabric.shards[shard].service_answers.pop() {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("there is no answer within 10 s");
    }

    /// Asks on the first shard and waits for the answer.
    pub(super) async fn ask_and_wait(&mut self, question: ServiceQuestion) -> ServiceAnswer {
        let ticket = self.ask(0, question);
        let (answered, answer) = self.answer(0).await;
        assert_eq!(answered, ticket);
        answer
    }
}

/// Runs a test on a runtime like that of the service thread.
pub(super) fn run<F: Future>(test: F) -> F::Output {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let output = runtime.block_on(test);
    runtime.shutdown_background();
    output
}
