//! How the main thread learns that a core is ready, and that it has ended, in whatever way.

use std::fmt::{self, Display, Formatter};

use crossbeam_channel::{Receiver, Sender, unbounded};

/// A thread that the process cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    Control,
    Ingest,
    Shard(usize),
}

impl Display for Core {
    /// The name of its thread.
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control => formatter.write_str("control"),
            Self::Ingest => formatter.write_str("ingest"),
            Self::Shard(index) => write!(formatter, "shard-{index}"),
        }
    }
}

/// What became of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    Ready(Core),
    Ended(Core),
}

/// Held by a core for as long as it runs. Dropping it, also by a panic or by a start that fails,
/// is the notice of its end.
#[derive(Debug)]
pub struct Watch {
    core: Core,
    notices: Sender<Notice>,
}

/// Hands out watches. At most two notices come from each.
#[derive(Debug)]
pub struct Watchtower {
    sender: Sender<Notice>,
    pub notices: Receiver<Notice>,
}

impl Default for Watchtower {
    fn default() -> Self {
        let (sender, notices) = unbounded();
        Self { sender, notices }
    }
}

impl Watchtower {
    pub fn watch(&self, core: Core) -> Watch {
        Watch {
            core,
            notices: self.sender.clone(),
        }
    }
}

impl Watch {
    /// The core does its work from now on.
    pub fn ready(&self) {
        // Nobody listens any more only when the process is on its way out.
        let _ = self.notices.send(Notice::Ready(self.core));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.notices.send(Notice::Ended(self.core));
    }
}
