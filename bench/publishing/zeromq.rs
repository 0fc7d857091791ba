//! Publishing through libzmq, and the server's replies. Publishing thread.

use crate::error::BenchError;
use crate::publishing::address::PublisherAddress;
use crate::publishing::replies::ReplyCounts;
use crate::publishing::stream::EncodePublication;

/// Messages that libzmq may queue: seconds of a stall, so that a stall shows in the latencies.
const HIGH_WATER_MARK: i32 = 1_000_000;

/// Maximum time for connecting or for one send.
const SEND_TIMEOUT_MS: i32 = 10_000;

/// Time without a reply at the end of a run after which the missing replies count as rejected.
const REPLY_TIMEOUT_MS: i64 = 2000;

/// A PUSH socket, or a DEALER socket with `--acknowledged`.
pub struct ZeroMqConnection {
    socket: zmq::Socket,
    acknowledged: bool,
    encode: Option<EncodePublication>,
    endpoint: String,
}

impl ZeroMqConnection {
    /// Connects and waits until the socket is connected.
    pub fn open(
        address: &PublisherAddress,
        encode: Option<EncodePublication>,
    ) -> Result<Self, BenchError> {
        let (endpoint, acknowledged) = (address.zeromq(), address.acknowledged);
        match connect(&endpoint, acknowledged) {
            Ok(socket) => Ok(Self {
                socket,
                acknowledged,
                encode,
                endpoint,
            }),
            Err(error) => Err(BenchError::PublishZeroMq { endpoint, error }),
        }
    }

    fn publish_error(&self, error: zmq::Error) -> BenchError {
        BenchError::PublishZeroMq {
            endpoint: self.endpoint.clone(),
            error,
        }
    }

    /// Publishes. Messages that the server cannot accept yet wait in the socket.
    pub fn send(&self, topic: &[u8], payload: &[u8]) -> Result<(), BenchError> {
        if let Some(encode) = self.encode {
            let mut frame = Vec::new();
            encode(topic, payload, &mut frame);
            return self
                .socket
                .send(frame, 0)
                .map_err(|error| self.publish_error(error));
        }
        // A ROUTER socket needs an empty delimiter frame before the message.
        let delimited: [&[u8]; 3] = [b"", topic, payload];
        let frames = if self.acknowledged {
            &delimited[..]
        } else {
            &delimited[1..]
        };
        self.socket
            .send_multipart(frames, 0)
            .map_err(|error| self.publish_error(error))
    }

    /// Receives the available replies, and waits up to `wait_ms` for the first. Returns their
    /// number.
    pub fn receive_replies(
        &self,
        replies: &mut ReplyCounts,
        wait_ms: i64,
    ) -> Result<u64, BenchError> {
        let before = replies.received;
        let readable = |wait_ms| self.socket.poll(zmq::POLLIN, wait_ms);
        let mut wait_ms = wait_ms;
        while self.acknowledged && readable(wait_ms).map_err(|error| self.publish_error(error))? > 0
        {
            let frames = self
                .socket
                .recv_multipart(0)
                .map_err(|error| self.publish_error(error))?;
            replies.received += 1;
            replies.rejected += u64::from(frames.get(1).is_none_or(|status| status != b"ok"));
            wait_ms = 0;
        }
        Ok(replies.received - before)
    }

    /// Waits until `wanted` replies have been received. Missing replies count as rejections.
    pub fn await_replies(&self, replies: &mut ReplyCounts, wanted: u64) -> Result<(), BenchError> {
        while self.acknowledged && replies.received < wanted {
            if self.receive_replies(replies, REPLY_TIMEOUT_MS)? == 0 {
                replies.rejected += wanted - replies.received;
                break;
            }
        }
        Ok(())
    }
}

fn connect(endpoint: &str, acknowledged: bool) -> zmq::Result<zmq::Socket> {
    let kind = if acknowledged { zmq::DEALER } else { zmq::PUSH };
    let socket = zmq::Context::new().socket(kind)?;
    socket.set_sndhwm(HIGH_WATER_MARK)?;
    socket.set_rcvhwm(HIGH_WATER_MARK)?;
    socket.set_sndtimeo(SEND_TIMEOUT_MS)?;
    socket.set_linger(SEND_TIMEOUT_MS)?;
    // With this option the socket is writable only when it is connected. Messages queued before
    // that would increase the latency.
    socket.set_immediate(true)?;
    socket.connect(endpoint)?;
    match socket.poll(zmq::POLLOUT, i64::from(SEND_TIMEOUT_MS))? {
        0 => Err(zmq::Error::EHOSTUNREACH),
        _ => Ok(socket),
    }
}
