//! Faults made on purpose, so that tests can show that the load generator sees each of them.

use std::collections::HashMap;

use clap::{Args, ValueEnum};

/// Which deliveries of the floor go wrong, and how.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Injection {
    /// What the floor does wrong, for tests of the load generator
    #[arg(long, global = true, value_enum, hide = true, requires = "every")]
    fault: Option<Wrong>,
    /// Of how many deliveries one goes wrong
    #[arg(long, global = true, hide = true, value_parser = clap::value_parser!(u64).range(1..))]
    every: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Wrong {
    Drop,
    Duplicate,
    /// The delivery comes behind the next one of its topic on its connection
    Reorder,
}

impl Injection {
    /// The same for a floor that is started.
    pub fn arguments(&self) -> Vec<String> {
        let (Some(fault), Some(every)) = (self.fault, self.every) else {
            return Vec::new();
        };
        let fault = match fault {
            Wrong::Drop => "drop",
            Wrong::Duplicate => "duplicate",
            Wrong::Reorder => "reorder",
        };
        vec![format!("--fault={fault}"), format!("--every={every}")]
    }
}

/// Counts deliveries and does the wrong thing when it is time.
#[derive(Debug)]
pub struct Injector {
    fault: Wrong,
    every: u64,
    deliveries: u64,
    /// Frames that come behind the next one, by client and topic.
    held: HashMap<(usize, Vec<u8>), Vec<u8>>,
}

impl Injector {
    /// `None`: nothing is to go wrong.
    pub fn new(injection: &Injection) -> Option<Self> {
        Some(Self {
            fault: injection.fault?,
            every: injection.every?,
            deliveries: 0,
            held: HashMap::new(),
        })
    }

    /// Appends a frame to what is pending for a client, or does something else.
    pub fn deliver(&mut self, client: usize, topic: &[u8], frame: &[u8], pending: &mut Vec<u8>) {
        self.deliveries += 1;
        let wrong = self.deliveries.is_multiple_of(self.every);
        match self.fault {
            Wrong::Drop if wrong => {}
            Wrong::Duplicate if wrong => pending.extend([frame, frame].concat()),
            Wrong::Reorder if wrong => {
                self.held.insert((client, topic.to_vec()), frame.to_vec());
            }
            Wrong::Reorder => {
                pending.extend_from_slice(frame);
                let held = self.held.remove(&(client, topic.to_vec()));
                pending.extend(held.unwrap_or_default());
            }
            Wrong::Drop | Wrong::Duplicate => pending.extend_from_slice(frame),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(fault: Wrong) -> String {
        let injection = Injection {
            fault: Some(fault),
            every: Some(3),
        };
        let mut injector = Injector::new(&injection).unwrap();
        let mut pending = Vec::new();
        for frame in "abcdefgh".bytes() {
            injector.deliver(0, b"topic", &[frame], &mut pending);
        }
        String::from_utf8(pending).unwrap()
    }

    #[test]
    fn one_in_every_so_many_goes_wrong() {
        assert_eq!(delivered(Wrong::Drop), "abdegh");
        assert_eq!(delivered(Wrong::Duplicate), "abccdeffgh");
        assert_eq!(delivered(Wrong::Reorder), "abdcegfh");
        assert!(Injector::new(&Injection::default()).is_none());
    }
}
