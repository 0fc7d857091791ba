//! Signals: SIGTERM and SIGINT drain, a second one ends the process at once. SIGHUP reloads the
//! configuration, or reports the end of the terminal if there is no file to reload. Control thread.

use std::io::{self, IsTerminal};
use std::process;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::fabric::Fabric;
use crate::host::process::is_ignored;
use crate::liveness::service_manager;

use super::drain;
use super::reload::Reload;

/// The exit code after a second signal, when connections may not have been closed.
const EXIT_WITHOUT_DRAIN: i32 = 1;

/// The signals that the process handles.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    hangup_meaning: HangupMeaning,
}

/// The meaning of SIGHUP. It depends on how the process was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HangupMeaning {
    /// A request to read the configuration again.
    Reload,
    /// The terminal was closed, and there is no file to reload.
    EndOfTerminal,
    /// The process was started with SIGHUP ignored, as by `nohup`, to outlive its terminal.
    Nothing,
}

/// A signal that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Received {
    Termination,
    Hangup,
}

/// The reaction to a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Drain,
    EndAtOnce,
    Reload,
    Ignore,
}

impl HangupMeaning {
    /// Decides with the arguments of the process and what it has inherited. A file takes
    /// precedence: under `nohup` too, an operator can reload it, and a reload of an unchanged file
    /// changes nothing.
    fn new(has_file: bool, is_ignored: bool, in_terminal: bool) -> Self {
        if has_file {
            Self::Reload
        } else if is_ignored {
            Self::Nothing
        } else if in_terminal {
            Self::EndOfTerminal
        } else {
            Self::Reload
        }
    }
}

impl Action {
    /// Decides on a signal.
    fn on(received: Received, hangup: HangupMeaning, is_draining: bool) -> Self {
        match received {
            Received::Termination if is_draining => Self::EndAtOnce,
            Received::Termination => Self::Drain,
            // The end of a terminal is reported more than once: the kernel sends SIGHUP to the
            // foreground job, and then the shell to each of its jobs.
            Received::Hangup if is_draining => Self::Ignore,
            Received::Hangup => match hangup {
                HangupMeaning::Reload => Self::Reload,
                HangupMeaning::EndOfTerminal => Self::Drain,
                HangupMeaning::Nothing => Self::Ignore,
            },
        }
    }
}

impl Signals {
    /// Installs the handlers. From here on the signals do not end the process by themselves.
    /// `has_file` is whether there is a configuration file that SIGHUP reloads.
    pub(super) fn install(has_file: bool) -> io::Result<Self> {
        let hangup = SignalKind::hangup();
        // Read before the handler replaces what the process has inherited.
        let is_ignored = is_ignored(hangup.as_raw_value());
        let in_terminal = io::stdin().is_terminal() || io::stderr().is_terminal();
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(hangup)?,
            hangup_meaning: HangupMeaning::new(has_file, is_ignored, in_terminal),
        })
    }

    /// Handles signals until the process ends.
    pub(super) async fn handle(mut self, mut reload: Reload, fabric: &Arc<Fabric>) {
        loop {
            let received = self.next().await;
            match Action::on(received, self.hangup_meaning, fabric.is_draining()) {
                Action::Reload => {
                    service_manager::reloading();
                    reload.run();
                    service_manager::ready();
                }
                Action::Drain => {
                    if let Err(error) = drain::start(fabric, reload.config().drain.period) {
                        tracing::error!("the drain could not be started: {error}; ending at once");
                        process::exit(EXIT_WITHOUT_DRAIN);
                    }
                }
                Action::EndAtOnce => {
                    tracing::warn!("a second signal; ending at once");
                    process::exit(EXIT_WITHOUT_DRAIN);
                }
                Action::Ignore if fabric.is_draining() => {
                    tracing::info!("SIGHUP is ignored during a drain");
                }
                Action::Ignore => {
                    tracing::info!(
                        "SIGHUP is ignored, because the process was started so (nohup), and there \
                         is no configuration file to reload"
                    );
                }
            }
        }
    }

    async fn next(&mut self) -> Received {
        tokio::select! {
            _ = self.terminate.recv() => Received::Termination,
            _ = self.interrupt.recv() => Received::Termination,
            _ = self.hangup.recv() => Received::Hangup,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEANINGS: [HangupMeaning; 3] = [
        HangupMeaning::Reload,
        HangupMeaning::EndOfTerminal,
        HangupMeaning::Nothing,
    ];

    #[test]
    fn a_hangup_reloads_a_file_and_else_reports_the_end_of_the_terminal() {
        for in_terminal in [false, true] {
            for is_ignored in [false, true] {
                let with_file = HangupMeaning::new(true, is_ignored, in_terminal);
                assert_eq!(with_file, HangupMeaning::Reload);
            }
            let under_nohup = HangupMeaning::new(false, true, in_terminal);
            assert_eq!(under_nohup, HangupMeaning::Nothing);
        }
        let in_terminal = HangupMeaning::new(false, false, true);
        assert_eq!(in_terminal, HangupMeaning::EndOfTerminal);
        let by_supervisor = HangupMeaning::new(false, false, false);
        assert_eq!(by_supervisor, HangupMeaning::Reload);
    }

    #[test]
    fn only_a_second_termination_ends_a_drain() {
        for meaning in MEANINGS {
            let during_drain = |received| Action::on(received, meaning, true);
            assert_eq!(during_drain(Received::Hangup), Action::Ignore);
            assert_eq!(during_drain(Received::Termination), Action::EndAtOnce);
            let first = Action::on(Received::Termination, meaning, false);
            assert_eq!(first, Action::Drain);
        }
        let actions = MEANINGS.map(|meaning| Action::on(Received::Hangup, meaning, false));
        assert_eq!(actions, [Action::Reload, Action::Drain, Action::Ignore]);
    }
}
