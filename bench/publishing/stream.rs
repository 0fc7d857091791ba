//! Publishing over plain TCP, one write per publication. A thread reads and discards what the
//! server answers, so that the socket's receive buffer never fills. Publishing thread.

use std::cell::RefCell;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use crate::error::BenchError;

/// Appends a publication, given as topic and payload, to a buffer.
pub type EncodePublication = fn(&[u8], &[u8], &mut Vec<u8>);

/// A TCP connection for publications.
pub struct StreamConnection {
    socket: TcpStream,
    endpoint: String,
    encode: EncodePublication,
    buffer: RefCell<Vec<u8>>,
}

impl StreamConnection {
    /// Connects and sends `greeting`.
    pub fn open(
        endpoint: &str,
        greeting: &[u8],
        encode: EncodePublication,
    ) -> Result<Self, BenchError> {
        match connect(endpoint, greeting) {
            Ok(socket) => Ok(Self {
                socket,
                endpoint: endpoint.into(),
                encode,
                buffer: RefCell::default(),
            }),
            Err(error) => Err(publish_error(endpoint, error)),
        }
    }

    /// Publishes. Blocks while the socket is full.
    pub fn send(&self, topic: &[u8], payload: &[u8]) -> Result<(), BenchError> {
        let mut buffer = self.buffer.borrow_mut();
        buffer.clear();
        (self.encode)(topic, payload, &mut buffer);
        let written = (&self.socket).write_all(&buffer);
        written.map_err(|error| publish_error(&self.endpoint, error))
    }
}

impl Drop for StreamConnection {
    fn drop(&mut self) {
        // The shutdown ends the reading thread. The kernel still sends everything that was written.
        drop(self.socket.shutdown(Shutdown::Both));
    }
}

fn connect(endpoint: &str, greeting: &[u8]) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(endpoint)?;
    stream.set_nodelay(true)?;
    stream.write_all(greeting)?;
    let mut answers = stream.try_clone()?;
    let discard = move || io::copy(&mut answers, &mut io::sink());
    thread::Builder::new()
        .name("answers".into())
        .spawn(discard)?;
    Ok(stream)
}

fn publish_error(endpoint: &str, error: io::Error) -> BenchError {
    BenchError::PublishTcp {
        endpoint: endpoint.into(),
        error,
    }
}
