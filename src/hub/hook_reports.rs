//! Answers of hooks that could not be used, for the log. Shard core.

use std::collections::VecDeque;

use crate::access::hooks::HookFault;
use crate::config::HookKind;
use crate::observe::{LogLimiter, LogPermit};

/// An answer that is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookReport {
    pub kind: HookKind,
    pub fault: HookFault,
    /// Answers of this kind that were not reported since the last one that was.
    pub suppressed: u64,
}

/// The reports that the shell has not taken yet.
#[derive(Default)]
pub(super) struct HookReports {
    /// Bounds the reports of each hook and each kind of fault.
    limiter: LogLimiter<(&'static str, &'static str)>,
    reports: VecDeque<HookReport>,
}

impl HookReports {
    /// Returns the oldest report that was not taken.
    pub(super) fn pop(&mut self) -> Option<HookReport> {
        self.reports.pop_front()
    }

    /// Reports an answer unless there were many of its kind. A call that failed is not reported,
    /// because the service thread has logged the reason.
    pub(super) fn report(&mut self, kind: HookKind, fault: HookFault, now_us: u64) {
        if fault == HookFault::Failed {
            return;
        }
        let permit = self.limiter.admit((kind.name(), fault.name()), now_us);
        if let LogPermit::Granted { suppressed } = permit {
            self.reports.push_back(HookReport {
                kind,
                fault,
                suppressed,
            });
        }
    }
}
