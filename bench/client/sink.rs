//! The interface through which a scenario receives the deliveries of its connections. Receiving
//! thread.

use crate::payload::Stamp;

/// How far a payload of the expected length is examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Examination {
    /// The stamp is read and passed to [`DeliverySink::delivery`].
    Stamp,
    /// The sink has counted the payload by its length.
    LengthOnly,
}

/// Whether a payload without a stamp is one that the scenario published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unstamped {
    Expected,
    Unknown,
}

/// Receives the events of the connections.
pub trait DeliverySink {
    /// Accepts a publication with a stamp.
    fn delivery(&mut self, connection: usize, stamp: Stamp, now_us: u64);

    /// Decides whether the stamp of a payload of the expected length is read.
    fn examine(&mut self, _connection: usize, _now_us: u64) -> Examination {
        Examination::Stamp
    }

    /// Accepts a publication without a stamp.
    fn unstamped(&mut self, _connection: usize, _payload: &[u8]) -> Unstamped {
        Unstamped::Unknown
    }

    /// Accepts the reply to a command that the scenario sent.
    fn reply(&mut self, _connection: usize, _reply: &[u8]) {}
}

/// The sink of scenarios that publish nothing.
impl DeliverySink for () {
    fn delivery(&mut self, _connection: usize, _stamp: Stamp, _now_us: u64) {}
}
