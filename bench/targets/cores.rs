//! Which core does what: the server alone on one, the load generator on another, so that neither
//! takes time that is counted as the other's.

use core_affinity::CoreId;

use crate::arguments::Common;
use crate::fault::Fault;

/// The cores of a run; `None`: wherever the kernel likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    pub own: Option<usize>,
    pub server: Option<usize>,
}

impl Cores {
    /// To be asked before anything is pinned: afterwards only one core is left to choose from.
    pub fn new(common: &Common) -> Self {
        let allowed = core_affinity::get_core_ids().unwrap_or_default();
        let allowed: Vec<usize> = allowed.into_iter().map(|core| core.id).collect();
        let cores = Self::choose(common, &allowed);
        if common.url.is_none() && cores.server.is_none() {
            eprintln!(
                "fanfare-bench: one core for all: nothing is pinned, CPU figures will be high"
            );
        }
        cores
    }

    fn choose(common: &Common, allowed: &[usize]) -> Self {
        let (own, server) = (common.core, common.server_core);
        match *allowed {
            // A server that runs already is where its user wants it.
            _ if common.url.is_some() => Self { own, server: None },
            [first, second, ..] => Self {
                own: own.or(Some(first)),
                server: server.or(Some(second)),
            },
            _ => Self { own, server },
        }
    }
}

/// Pins the calling thread, and with it the threads and processes it starts, to a core.
pub fn pin(core: usize) -> Result<(), Fault> {
    if core_affinity::set_for_current(CoreId { id: core }) {
        return Ok(());
    }
    Err(Fault::Arguments(format!(
        "core {core} is not one this process may use"
    )))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::arguments::Arguments;

    fn choose(options: &[&str], allowed: &[usize]) -> (Option<usize>, Option<usize>) {
        let arguments = [&["fanfare-bench"], options, &["idle"]].concat();
        let cores = Cores::choose(&Arguments::parse_from(arguments).common, allowed);
        (cores.own, cores.server)
    }

    #[test]
    fn server_and_load_part_where_there_are_two_cores() {
        assert_eq!(choose(&[], &[0, 1]), (Some(0), Some(1)));
        assert_eq!(choose(&[], &[4, 6, 7]), (Some(4), Some(6)));
        assert_eq!(
            choose(&["--core", "1", "--server-core", "0"], &[0, 1]),
            (Some(1), Some(0))
        );
        assert_eq!(choose(&[], &[3]), (None, None));
        assert_eq!(choose(&["--url", "ws://h:1"], &[0, 1]), (None, None));
        assert_eq!(
            choose(&["--url", "ws://h:1", "--core", "1"], &[0, 1]),
            (Some(1), None)
        );
    }
}
