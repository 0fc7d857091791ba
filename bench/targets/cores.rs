//! The cores of a run: the server has one core and the load generator another, so that neither uses
//! time that counts as the other's. Main thread.

use crate::options::CommonOptions;

/// The cores of a run. `None` leaves the choice to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreAssignment {
    pub generator: Option<usize>,
    pub server: Option<usize>,
}

impl CoreAssignment {
    /// Chooses the cores. Call it before a thread is pinned: a pinned thread sees only its own
    /// core.
    pub fn new(options: &CommonOptions) -> Self {
        let allowed = core_affinity::get_core_ids().unwrap_or_default();
        let allowed: Vec<usize> = allowed.into_iter().map(|core| core.id).collect();
        let cores = Self::choose(options, &allowed);
        if options.url.is_none() && cores.server.is_none() {
            eprintln!(
                "fanfare-bench: only one core is allowed, so nothing is pinned and CPU figures \
                 will be too high"
            );
        }
        cores
    }

    fn choose(options: &CommonOptions, allowed: &[usize]) -> Self {
        let (generator, server) = (options.core, options.server_core);
        match *allowed {
            // The user has already chosen the core of a running server.
            _ if options.url.is_some() => Self {
                generator,
                server: None,
            },
            [first, second, ..] => Self {
                generator: generator.or(Some(first)),
                server: server.or(Some(second)),
            },
            _ => Self { generator, server },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        options: CommonOptions,
    }

    fn choose(arguments: &[&str], allowed: &[usize]) -> (Option<usize>, Option<usize>) {
        let arguments = [&["fanfare-bench"], arguments].concat();
        let options = CommandLine::parse_from(arguments).options;
        let cores = CoreAssignment::choose(&options, allowed);
        (cores.generator, cores.server)
    }

    #[test]
    fn server_and_load_generator_have_different_cores_if_there_are_two() {
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
