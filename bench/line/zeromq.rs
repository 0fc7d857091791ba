//! The ZeroMQ socket to the server, and its replies. Publishing thread.

use super::{Encode, Replies};
use crate::arguments::Common;
use crate::fault::Fault;

/// Messages libzmq may hold for the server: seconds of a stall, so that one is seen in latencies.
const HIGH_WATER_MARK: i32 = 1_000_000;

/// How long connecting or a send may take before the run is given up.
const PATIENCE_MS: i32 = 10_000;

/// How long no reply may come at the end before the rest count as rejected.
const REPLY_MS: i64 = 2000;

/// The socket to the server.
pub struct ZeroMq {
    socket: zmq::Socket,
    acknowledged: bool,
    encode: Option<Encode>,
    endpoint: String,
}

impl ZeroMq {
    /// Connects, and waits until that is done.
    pub fn open(common: &Common, encode: Option<Encode>) -> Result<Self, Fault> {
        let (endpoint, acknowledged) = (common.endpoint(), common.acknowledged);
        let kind = if acknowledged { zmq::DEALER } else { zmq::PUSH };
        let open = || {
            let socket = zmq::Context::new().socket(kind)?;
            socket.set_sndhwm(HIGH_WATER_MARK)?;
            socket.set_rcvhwm(HIGH_WATER_MARK)?;
            socket.set_sndtimeo(PATIENCE_MS)?;
            socket.set_linger(PATIENCE_MS)?;
            // Writable only once connected: a queue before that would show as latency.
            socket.set_immediate(true)?;
            socket.connect(&endpoint)?;
            match socket.poll(zmq::POLLOUT, i64::from(PATIENCE_MS))? {
                0 => Err(zmq::Error::EHOSTUNREACH),
                _ => Ok(socket),
            }
        };
        match open() {
            Ok(socket) => Ok(Self {
                socket,
                acknowledged,
                encode,
                endpoint,
            }),
            Err(error) => Err(Fault::Publish { endpoint, error }),
        }
    }

    fn fault(&self, error: zmq::Error) -> Fault {
        Fault::Publish {
            endpoint: self.endpoint.clone(),
            error,
        }
    }

    /// Publishes; what the socket cannot take yet waits in it.
    pub fn send(&self, topic: &[u8], payload: &[u8]) -> Result<(), Fault> {
        if let Some(encode) = self.encode {
            let mut frame = Vec::new();
            encode(topic, payload, &mut frame);
            return self
                .socket
                .send(frame, 0)
                .map_err(|error| self.fault(error));
        }
        let delimited: [&[u8]; 3] = [b"", topic, payload];
        let frames = if self.acknowledged {
            &delimited[..]
        } else {
            &delimited[1..]
        };
        self.socket
            .send_multipart(frames, 0)
            .map_err(|error| self.fault(error))
    }

    /// Takes the replies that have come; waits up to `wait_ms` for the first. Returns how many.
    pub fn take_replies(&self, replies: &mut Replies, wait_ms: i64) -> Result<u64, Fault> {
        let before = replies.taken;
        let ready = |wait_ms| self.socket.poll(zmq::POLLIN, wait_ms);
        let mut wait_ms = wait_ms;
        while self.acknowledged && ready(wait_ms).map_err(|error| self.fault(error))? > 0 {
            let frames = self
                .socket
                .recv_multipart(0)
                .map_err(|error| self.fault(error))?;
            replies.taken += 1;
            replies.rejected += u64::from(frames.get(1).is_none_or(|status| status != b"ok"));
            wait_ms = 0;
        }
        Ok(replies.taken - before)
    }

    /// Waits until `wanted` replies have come; those that do not come count as rejections.
    pub fn await_replies(&self, replies: &mut Replies, wanted: u64) -> Result<(), Fault> {
        while self.acknowledged && replies.taken < wanted {
            if self.take_replies(replies, REPLY_MS)? == 0 {
                replies.rejected += wanted - replies.taken;
                break;
            }
        }
        Ok(())
    }
}
