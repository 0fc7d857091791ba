//! The other end of `HAProxy`'s `agent-check`: a line per connection that says how much of the node
//! is left. Control thread.
//!
//! `HAProxy` connects every `agent-inter`, reads one line and closes. A line without its end is
//! ignored, and so is an agent that cannot be reached: the last state then stays. So the port opens
//! only when every core does its work, and every line is whole.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time;

use crate::limits::{AGENT_CONNECTIONS, AGENT_DISCARD_BYTES, AGENT_TIMEOUT, LOAD_SAMPLE_INTERVAL};

use super::load::Monitor;

/// Answers until the process ends.
pub(super) async fn serve(listener: std::net::TcpListener, monitor: Arc<Monitor>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!("the agent's port is closed: {error}"),
    };
    let places = Arc::new(Semaphore::new(AGENT_CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, as a rule: trying again at once would only burn the core.
            time::sleep(LOAD_SAMPLE_INTERVAL).await;
            continue;
        };
        let line = monitor.line();
        tokio::spawn(async move {
            // Who is gone before the end of its line will ask again.
            let _ = time::timeout(AGENT_TIMEOUT, answer(stream, line)).await;
            drop(place);
        });
    }
}

/// Says the line at once, then waits for the peer's end; what it sends is of no interest.
async fn answer(mut stream: TcpStream, line: String) -> std::io::Result<()> {
    stream.write_all(line.as_bytes()).await?;
    stream.shutdown().await?;
    let (mut rest, mut read) = ([0; 256], 0);
    while read < AGENT_DISCARD_BYTES {
        match stream.read(&mut rest).await? {
            0 => break,
            count => read += count,
        }
    }
    Ok(())
}
