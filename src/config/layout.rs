//! The use of each core, from `[cpu]` and the cores that the process may use. Used on the main
//! thread at start.

use super::tables::CpuConfig;

/// The cores by their use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The core of the ingest thread and the control thread.
    pub ingest: usize,
    /// The core of each shard.
    pub shards: Vec<usize>,
}

impl CpuConfig {
    /// Assigns the cores. `allowed` are the cores that the process may use, in ascending order;
    /// empty means core 0. The first core is for ingest. It also has a shard if there are as many
    /// shards as cores.
    pub fn layout(&self, allowed: &[usize]) -> Layout {
        let cores = if self.cores.is_empty() {
            allowed
        } else {
            &self.cores
        };
        let (ingest, others) = cores
            .split_first()
            .map_or((0, &[][..]), |(first, others)| (*first, others));
        let count = self.shards.unwrap_or_else(|| others.len().max(1));
        let shards = others.iter().copied().chain([ingest]).take(count).collect();
        Layout { ingest, shards }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(shards: Option<usize>, cores: &[usize], allowed: &[usize]) -> (usize, Vec<usize>) {
        let Layout { ingest, shards } = CpuConfig {
            shards,
            cores: cores.into(),
        }
        .layout(allowed);
        (ingest, shards)
    }

    #[test]
    fn the_first_core_is_for_ingest() {
        assert_eq!(layout(None, &[], &[0, 1, 2, 3]), (0, vec![1, 2, 3]));
        assert_eq!(layout(Some(1), &[], &[0, 1, 2, 3]), (0, vec![1]));
        assert_eq!(layout(None, &[5, 2, 7], &[0, 1, 2, 5, 7]), (5, vec![2, 7]));
    }

    #[test]
    fn ingest_shares_its_core_only_if_there_is_no_other() {
        assert_eq!(layout(None, &[], &[3]), (3, vec![3]));
        assert_eq!(layout(Some(2), &[], &[0, 1]), (0, vec![1, 0]));
        assert_eq!(layout(None, &[], &[]), (0, vec![0]));
    }
}
