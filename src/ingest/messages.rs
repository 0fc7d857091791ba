//! Receives and sends the multipart messages of ZeroMQ sockets without waiting. Ingest thread.

use std::net::IpAddr;
use std::os::fd::RawFd;

use zmq::{DONTWAIT, Message, SNDMORE, Socket};

use crate::limits::MESSAGE_FRAMES;

use super::permissions::Group;

/// Repeats a call that a signal interrupted. libzmq may already have consumed the readiness of the
/// socket, so a caller that gave up would not be notified of the messages in it.
pub(super) fn retry_interrupted<T>(mut call: impl FnMut() -> zmq::Result<T>) -> zmq::Result<T> {
    loop {
        match call() {
            Err(zmq::Error::EINTR) => {}
            outcome => return outcome,
        }
    }
}

/// Sends one message. Either all of its parts are sent or none.
pub(super) fn send(socket: &Socket, parts: &[&[u8]]) -> zmq::Result<()> {
    let last = parts.len().saturating_sub(1);
    for (index, part) in parts.iter().enumerate() {
        let more = if index < last { SNDMORE } else { 0 };
        retry_interrupted(|| socket.send(*part, DONTWAIT | more))?;
    }
    Ok(())
}

/// One frame of a message, in the memory of libzmq.
pub(super) struct Frame(Message);

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Outcome of [`Frames::receive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A message with all its frames.
    Whole,
    /// A message of more than [`MESSAGE_FRAMES`] frames. The frames beyond were discarded.
    Truncated,
    /// The socket has no message.
    Nothing,
}

/// The frames of one message. The memory is used again for the next message.
#[derive(Default)]
pub(super) struct Frames {
    frames: Vec<Frame>,
    used: usize,
}

impl Frames {
    /// Receives the next message of `socket` and replaces the previous one.
    pub(super) fn receive(&mut self, socket: &Socket) -> Received {
        self.used = 0;
        let mut received = Received::Whole;
        loop {
            if self.used == self.frames.len() {
                self.frames.push(Frame(Message::new()));
            }
            let message = &mut self.frames[self.used].0;
            if retry_interrupted(|| socket.recv(message, DONTWAIT)).is_err() {
                return Received::Nothing;
            }
            let has_more = message.get_more();
            // One further frame is allocated; each frame beyond the bound overwrites it.
            if self.used < MESSAGE_FRAMES {
                self.used += 1;
            } else {
                received = Received::Truncated;
            }
            if !has_more {
                return received;
            }
        }
    }

    /// Returns the descriptor of the connection that the message arrived on, if it is known.
    ///
    /// The property is what libzmq offers in place of `ZMQ_SRCFD`. For a publisher whose connection
    /// has ended, the descriptor may be closed or belong to another connection.
    pub(super) fn descriptor(&mut self) -> Option<RawFd> {
        let last = self.frames[..self.used].last_mut()?;
        last.0.gets("__fd")?.parse().ok()
    }

    /// Returns the size of the frames of the message that was received last, without those that
    /// were discarded.
    pub(super) fn bytes(&self) -> usize {
        let sizes = self.as_slice().iter().map(|frame| frame.0.len());
        sizes.sum()
    }

    /// Releases the memory of all frames.
    pub(super) fn release(&mut self) {
        self.used = 0;
        for frame in &mut self.frames {
            frame.0 = Message::new();
        }
    }

    /// Returns the address of the publisher of the message that was received last, if it is known.
    /// libzmq knows it for TCP connections.
    pub(super) fn peer(&mut self) -> Option<IpAddr> {
        let first = self.frames[..self.used].first_mut()?;
        let address: IpAddr = first.0.gets("Peer-Address")?.parse().ok()?;
        // IPv4 addresses are reported in their IPv6 form, because the sockets accept both.
        Some(address.to_canonical())
    }

    /// Returns the group of the publisher of the message that was received last, and its user, if
    /// libzmq has asked for its connection.
    pub(super) fn group(&mut self) -> Option<(Group, Option<&str>)> {
        let last = self.frames[..self.used].last_mut()?;
        Group::parse(last.0.gets("User-Id")?)
    }

    /// Returns the frames of the message that was received last.
    pub(super) fn as_slice(&self) -> &[Frame] {
        &self.frames[..self.used]
    }
}
