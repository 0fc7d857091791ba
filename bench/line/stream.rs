//! Publishing over plain TCP: one write per publication. What the server answers is read by a
//! thread of its own and thrown away, so that it never fills the socket.

use std::cell::RefCell;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use crate::fault::Fault;

/// Appends a publication, of topic and payload, to a buffer.
pub type Encode = fn(&[u8], &[u8], &mut Vec<u8>);

/// The connection to the server.
pub struct Stream {
    socket: TcpStream,
    endpoint: String,
    encode: Encode,
    buffer: RefCell<Vec<u8>>,
}

impl Stream {
    /// Connects and sends `greeting`.
    pub fn open(endpoint: &str, greeting: &[u8], encode: Encode) -> Result<Self, Fault> {
        let open = || {
            let mut stream = TcpStream::connect(endpoint)?;
            stream.set_nodelay(true)?;
            stream.write_all(greeting)?;
            let mut answers = stream.try_clone()?;
            let drain = move || io::copy(&mut answers, &mut io::sink());
            thread::Builder::new().name("answers".into()).spawn(drain)?;
            Ok(stream)
        };
        match open() {
            Ok(socket) => Ok(Self {
                socket,
                endpoint: endpoint.into(),
                encode,
                buffer: RefCell::default(),
            }),
            Err(error) => Err(fault(endpoint, error)),
        }
    }

    /// Publishes; waits while the socket is full.
    pub fn send(&self, topic: &[u8], payload: &[u8]) -> Result<(), Fault> {
        let mut buffer = self.buffer.borrow_mut();
        buffer.clear();
        (self.encode)(topic, payload, &mut buffer);
        let written = (&self.socket).write_all(&buffer);
        written.map_err(|error| fault(&self.endpoint, error))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Ends the thread; nothing is lost, since whatever was written is sent first.
        drop(self.socket.shutdown(Shutdown::Both));
    }
}

fn fault(endpoint: &str, error: io::Error) -> Fault {
    Fault::PublishStream {
        endpoint: endpoint.into(),
        error,
    }
}
