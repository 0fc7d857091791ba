//! How the main thread learns that a thread is ready and that it has ended, for whatever reason.
//! Each thread holds a guard; the main thread receives the events.

use std::fmt::{self, Display, Formatter};

use crossbeam_channel::{Receiver, Sender, unbounded};

/// A thread that the process cannot run without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadName {
    Control,
    Ingest,
    Service,
    Shard(usize),
}

impl Display for ThreadName {
    /// Formats the name that the thread has in the operating system.
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control => formatter.write_str("control"),
            Self::Ingest => formatter.write_str("ingest"),
            Self::Service => formatter.write_str("service"),
            Self::Shard(index) => write!(formatter, "shard-{index}"),
        }
    }
}

/// A change in the life of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadEvent {
    Ready(ThreadName),
    Ended(ThreadName),
}

/// Reports the life of one thread, which holds it for as long as it runs. Dropping the guard sends
/// [`ThreadEvent::Ended`], also when the thread panics or fails to start.
#[derive(Debug)]
pub struct ThreadGuard {
    thread: ThreadName,
    events: Sender<ThreadEvent>,
}

impl ThreadGuard {
    /// Reports that the thread has finished its start and does its work.
    pub fn ready(&self) {
        // The send fails only while the process ends, when nothing receives the events any more.
        let _ = self.events.send(ThreadEvent::Ready(self.thread));
    }
}

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        let _ = self.events.send(ThreadEvent::Ended(self.thread));
    }
}

/// Creates the guards and receives their events, at most two for each guard.
#[derive(Debug)]
pub struct ThreadMonitor {
    sender: Sender<ThreadEvent>,
    pub events: Receiver<ThreadEvent>,
}

impl Default for ThreadMonitor {
    fn default() -> Self {
        let (sender, events) = unbounded();
        Self { sender, events }
    }
}

impl ThreadMonitor {
    /// Creates the guard of one thread.
    pub fn guard(&self, thread: ThreadName) -> ThreadGuard {
        ThreadGuard {
            thread,
            events: self.sender.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_is_reported_ready_and_ended() {
        let monitor = ThreadMonitor::default();
        let guard = monitor.guard(ThreadName::Service);
        guard.ready();
        drop(guard);
        let events: Vec<_> = monitor.events.try_iter().collect();
        let service = ThreadName::Service;
        assert_eq!(
            events,
            [ThreadEvent::Ready(service), ThreadEvent::Ended(service)]
        );
    }

    #[test]
    fn a_panic_is_reported_as_an_end() {
        let monitor = ThreadMonitor::default();
        let guard = monitor.guard(ThreadName::Shard(3));
        let thread = thread::spawn(move || {
            let _guard = guard;
            panic!("this panic is part of the test");
        });
        assert!(thread.join().is_err());
        let event = monitor.events.try_recv();
        assert_eq!(event, Ok(ThreadEvent::Ended(ThreadName::Shard(3))));
        assert_eq!(ThreadName::Shard(3).to_string(), "shard-3");
    }
}
