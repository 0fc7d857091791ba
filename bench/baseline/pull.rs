//! Publications to the baseline server through libzmq, as fanfare receives them. The difference to
//! fanfare is then fanfare's own cost. Thread of the baseline server.

use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;

use zmq::{DONTWAIT, Message, Socket};

use crate::baseline::nonblocking::ReadOutcome;
use crate::baseline::stream::encode_frame;

/// Messages that libzmq may queue: the default of fanfare's `ingest.high_water_mark`.
const HIGH_WATER_MARK: i32 = 100_000;

/// Publications that are received before they are sent.
const BATCH: usize = 256;

/// The PULL socket.
pub struct ZeroMqPull {
    socket: Socket,
    topic: Message,
    payload: Message,
    frame: Vec<u8>,
}

impl ZeroMqPull {
    /// Binds the socket to `address`.
    pub fn bind(address: SocketAddr) -> zmq::Result<Self> {
        let socket = zmq::Context::new().socket(zmq::PULL)?;
        socket.set_rcvhwm(HIGH_WATER_MARK)?;
        socket.bind(&format!("tcp://{address}"))?;
        Ok(Self {
            socket,
            topic: Message::new(),
            payload: Message::new(),
            frame: Vec::new(),
        })
    }

    /// Returns the descriptor that libzmq makes readable. It is edge-triggered: it becomes readable
    /// again only after the socket has been read until it was empty.
    pub fn descriptor(&self) -> zmq::Result<RawFd> {
        self.socket.get_fd()
    }

    /// Receives up to [`BATCH`] publications and passes each as topic and frame to `deliver`.
    pub fn read(&mut self, deliver: &mut impl FnMut(&[u8], &[u8])) -> io::Result<ReadOutcome> {
        for _ in 0..BATCH {
            let received = self
                .socket
                .recv(&mut self.topic, DONTWAIT)
                .and_then(|()| self.socket.recv(&mut self.payload, 0));
            match received {
                Ok(()) => {}
                Err(zmq::Error::EAGAIN) => return Ok(ReadOutcome::Drained),
                Err(zmq::Error::EINTR) => return Ok(ReadOutcome::MoreMayFollow),
                Err(error) => return Err(io::Error::from_raw_os_error(error.to_raw())),
            }
            encode_frame(&self.payload, &mut self.frame);
            deliver(&self.topic, &self.frame);
        }
        Ok(ReadOutcome::MoreMayFollow)
    }
}
