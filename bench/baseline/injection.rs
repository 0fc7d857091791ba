//! Faults that the baseline server makes on purpose, so that tests can prove that the load
//! generator detects them. Thread of the baseline server.

use std::collections::HashMap;

use clap::{Args, ValueEnum};

/// The fault to make, and how often.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct FaultInjection {
    /// Fault that the baseline server makes, for tests of the load generator
    #[arg(long, global = true, value_enum, hide = true, requires = "every")]
    fault: Option<InjectedFault>,
    /// Makes the fault once in this number of deliveries or connects
    #[arg(long, global = true, hide = true, value_parser = clap::value_parser!(u64).range(1..))]
    every: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InjectedFault {
    /// The delivery is lost
    Drop,
    /// The delivery is sent twice
    Duplicate,
    /// The delivery is sent after the next one of its topic on its connection
    Reorder,
    /// The connect is refused
    Refuse,
    /// The connection is closed instead of the delivery
    Close,
}

impl InjectedFault {
    fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Refuse => "refuse",
            Self::Close => "close",
        }
    }
}

/// The decision about a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectOutcome {
    Accept,
    Refuse,
}

/// The decision about a connection after a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    Continue,
    /// The server closes the connection.
    Close,
}

impl FaultInjection {
    /// Returns the same options for a baseline server that is started.
    pub fn arguments(&self) -> Vec<String> {
        let (Some(fault), Some(every)) = (self.fault, self.every) else {
            return Vec::new();
        };
        vec![
            format!("--fault={}", fault.name()),
            format!("--every={every}"),
        ]
    }
}

/// Counts deliveries and connects, and makes the fault when its turn comes.
#[derive(Debug)]
pub struct FaultInjector {
    fault: InjectedFault,
    every: u64,
    connects: u64,
    deliveries: u64,
    /// Frames that are sent after the next one, by client and topic.
    delayed: HashMap<(usize, Vec<u8>), Vec<u8>>,
}

impl FaultInjector {
    /// Returns `None` if the options ask for no fault.
    pub fn new(injection: &FaultInjection) -> Option<Self> {
        Some(Self {
            fault: injection.fault?,
            every: injection.every?,
            connects: 0,
            deliveries: 0,
            delayed: HashMap::new(),
        })
    }

    /// Counts a connect and decides whether the server accepts it.
    pub fn connect(&mut self) -> ConnectOutcome {
        self.connects += 1;
        if self.fault == InjectedFault::Refuse && self.connects.is_multiple_of(self.every) {
            ConnectOutcome::Refuse
        } else {
            ConnectOutcome::Accept
        }
    }

    /// Counts a delivery and appends its frame to the pending bytes of a client, or makes the
    /// fault.
    pub fn deliver(
        &mut self,
        client: usize,
        topic: &[u8],
        frame: &[u8],
        pending: &mut Vec<u8>,
    ) -> DeliveryOutcome {
        self.deliveries += 1;
        let is_faulty = self.deliveries.is_multiple_of(self.every);
        match self.fault {
            InjectedFault::Drop if is_faulty => {}
            InjectedFault::Duplicate if is_faulty => pending.extend([frame, frame].concat()),
            InjectedFault::Reorder if is_faulty => {
                self.delayed
                    .insert((client, topic.to_vec()), frame.to_vec());
            }
            InjectedFault::Close if is_faulty => return DeliveryOutcome::Close,
            InjectedFault::Reorder => {
                pending.extend_from_slice(frame);
                let delayed = self.delayed.remove(&(client, topic.to_vec()));
                pending.extend(delayed.unwrap_or_default());
            }
            _ => pending.extend_from_slice(frame),
        }
        DeliveryOutcome::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn injector(fault: InjectedFault) -> FaultInjector {
        let injection = FaultInjection {
            fault: Some(fault),
            every: Some(3),
        };
        FaultInjector::new(&injection).unwrap()
    }

    fn delivered(fault: InjectedFault) -> String {
        let mut injector = injector(fault);
        let mut pending = Vec::new();
        for frame in "abcdefgh".bytes() {
            injector.deliver(0, b"topic", &[frame], &mut pending);
        }
        String::from_utf8(pending).unwrap()
    }

    #[test]
    fn every_third_delivery_has_the_fault() {
        assert_eq!(delivered(InjectedFault::Drop), "abdegh");
        assert_eq!(delivered(InjectedFault::Duplicate), "abccdeffgh");
        assert_eq!(delivered(InjectedFault::Reorder), "abdcegfh");
        assert_eq!(delivered(InjectedFault::Refuse), "abcdefgh");
        assert!(FaultInjector::new(&FaultInjection::default()).is_none());
    }

    #[test]
    fn every_third_connect_is_refused() {
        let mut refusing = injector(InjectedFault::Refuse);
        let outcomes = [(); 4].map(|()| refusing.connect());
        let (accept, refuse) = (ConnectOutcome::Accept, ConnectOutcome::Refuse);
        assert_eq!(outcomes, [accept, accept, refuse, accept]);
        let mut dropping = injector(InjectedFault::Drop);
        assert_eq!([(); 3].map(|()| dropping.connect()), [accept; 3]);
    }

    #[test]
    fn every_third_delivery_closes_the_connection() {
        let mut closing = injector(InjectedFault::Close);
        let mut pending = Vec::new();
        let outcomes = [(); 3].map(|()| closing.deliver(0, b"topic", b"a", &mut pending));
        let go_on = DeliveryOutcome::Continue;
        assert_eq!(outcomes, [go_on, go_on, DeliveryOutcome::Close]);
        assert_eq!(pending, b"aa");
    }
}
