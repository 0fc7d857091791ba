//! The agent of `HAProxy`'s `agent-check`: it writes one line with the state and the weight of the
//! node to every connection. Control thread.
//!
//! `HAProxy` connects every `agent-inter`, reads one line and closes. It ignores a line without a
//! line end, and an agent that it cannot reach, and keeps the last state. So the port is opened
//! only when every thread is ready, and lines are always complete.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time;

use crate::limits::{AGENT_CONNECTIONS, AGENT_DISCARD_BYTES, AGENT_TIMEOUT, LOAD_SAMPLE_INTERVAL};

use super::monitor::Monitor;

/// Answers connections until the process ends.
pub(crate) async fn serve(listener: std::net::TcpListener, monitor: Arc<Monitor>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!("the port of the agent is closed: {error}"),
    };
    let permits = Arc::new(Semaphore::new(AGENT_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return; // The semaphore is never closed.
        };
        let Ok((stream, _)) = listener.accept().await else {
            // The usual reason is a lack of descriptors. Retrying at once would fail as well.
            time::sleep(LOAD_SAMPLE_INTERVAL).await;
            continue;
        };
        let line = monitor.agent_line();
        tokio::spawn(async move {
            // HAProxy repeats a check that failed.
            let _ = time::timeout(AGENT_TIMEOUT, answer(stream, line)).await;
            drop(permit);
        });
    }
}

/// Writes the line, then waits until the client closes. Its input (`agent-send`) is discarded.
async fn answer(mut stream: TcpStream, line: String) -> std::io::Result<()> {
    stream.write_all(line.as_bytes()).await?;
    stream.shutdown().await?;
    let mut buffer = [0; 256];
    let mut discarded = 0;
    while discarded < AGENT_DISCARD_BYTES {
        match stream.read(&mut buffer).await? {
            0 => break,
            count => discarded += count,
        }
    }
    Ok(())
}
