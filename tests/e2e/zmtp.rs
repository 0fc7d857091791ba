//! A ZMTP 3.0 peer that sends any bytes after the handshake. libzmq would send only whole messages.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::wait::TIMEOUT;

/// A connection to a ZeroMQ socket of the server, after the handshake.
pub struct ZmtpPeer(pub TcpStream);

impl ZmtpPeer {
    /// Connects as a socket of this type, such as `PUSH`.
    pub fn connect(port: u16, socket_type: &str) -> Self {
        Self::try_connect(port, socket_type, TIMEOUT).expect("the server accepts")
    }

    /// Connects. Returns `None` if the server does not accept the connection in time.
    pub fn try_connect(port: u16, socket_type: &str, timeout: Duration) -> Option<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        stream.set_read_timeout(Some(timeout)).unwrap();
        stream.set_write_timeout(Some(TIMEOUT)).unwrap();
        let mut greeting = [0; 64];
        greeting[..16].copy_from_slice(b"\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL");
        stream.write_all(&greeting).unwrap();
        stream.read_exact(&mut greeting).ok()?;
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let length = (socket_type.len() as u32).to_be_bytes();
        let ready = [
            b"\x05READY\x0bSocket-Type",
            &length[..],
            socket_type.as_bytes(),
        ]
        .concat();
        stream.write_all(&[4, ready.len() as u8]).unwrap();
        stream.write_all(&ready).unwrap();
        let mut head = [0; 2];
        stream.read_exact(&mut head).expect("the server is ready");
        let mut command = vec![0; usize::from(head[1])];
        stream
            .read_exact(&mut command)
            .expect("the server is ready");
        assert!(command.starts_with(b"\x05READY"));
        Some(Self(stream))
    }
}

/// Returns the bytes of one frame.
pub fn frame(data: &[u8], has_more: bool) -> Vec<u8> {
    let flags = 2 | u8::from(has_more);
    [&[flags], &(data.len() as u64).to_be_bytes()[..], data].concat()
}

/// Returns the bytes of a message.
pub fn message(frames: &[&[u8]]) -> Vec<u8> {
    let last = frames.len().saturating_sub(1);
    let frames = frames.iter().enumerate();
    frames
        .flat_map(|(index, data)| frame(data, index < last))
        .collect()
}
