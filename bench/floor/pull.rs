//! Publications on their way to the floor through libzmq, as fanfare's publishers send them. What
//! is left between this and fanfare is fanfare's own.

use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;

use zmq::{DONTWAIT, Message, Socket};

use super::publisher::encode;

/// Messages libzmq may hold: as fanfare's `ingest.high_water_mark`.
const HIGH_WATER_MARK: i32 = 100_000;

/// Publications taken before they are sent.
const DRAIN: usize = 256;

/// The PULL socket.
pub(super) struct Pull {
    socket: Socket,
    topic: Message,
    payload: Message,
    frame: Vec<u8>,
}

impl Pull {
    pub(super) fn bind(address: SocketAddr) -> zmq::Result<Self> {
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

    /// Rings once for all that comes until the socket is found empty.
    pub(super) fn descriptor(&self) -> zmq::Result<RawFd> {
        self.socket.get_fd()
    }

    /// Hands out topics with frames. True: there may be more.
    pub(super) fn read(&mut self, deliver: &mut impl FnMut(&[u8], &[u8])) -> io::Result<bool> {
        for _ in 0..DRAIN {
            let received = self
                .socket
                .recv(&mut self.topic, DONTWAIT)
                .and_then(|()| self.socket.recv(&mut self.payload, 0));
            match received {
                Ok(()) => {}
                Err(zmq::Error::EAGAIN) => return Ok(false),
                Err(zmq::Error::EINTR) => return Ok(true),
                Err(error) => return Err(io::Error::from_raw_os_error(error.to_raw())),
            }
            encode(&self.payload, &mut self.frame);
            deliver(&self.topic, &self.frame);
        }
        Ok(true)
    }
}
