//! Which core does what, from `[cpu]` and the cores the process may use. Pure.

use super::Cpu;

/// The cores by their use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Ingest and control.
    pub ingest: usize,
    /// One per shard.
    pub shards: Vec<usize>,
}

impl Cpu {
    /// Lays out `allowed` (ascending, the process's own; empty counts as core 0). The first core is
    /// for ingest; it takes a shard too only when there are as many shards as cores.
    pub fn layout(&self, allowed: &[usize]) -> Layout {
        let cores = if self.cores.is_empty() {
            allowed
        } else {
            &self.cores
        };
        let (ingest, rest) = cores
            .split_first()
            .map_or((0, &[][..]), |(one, rest)| (*one, rest));
        let count = self.shards.unwrap_or_else(|| rest.len().max(1));
        let shards = rest.iter().copied().chain([ingest]).take(count).collect();
        Layout { ingest, shards }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(shards: Option<usize>, cores: &[usize], allowed: &[usize]) -> (usize, Vec<usize>) {
        let Layout { ingest, shards } = Cpu {
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
    fn it_is_shared_only_when_it_has_to_be() {
        assert_eq!(layout(None, &[], &[3]), (3, vec![3]));
        assert_eq!(layout(Some(2), &[], &[0, 1]), (0, vec![1, 0]));
        assert_eq!(layout(None, &[], &[]), (0, vec![0]));
    }
}
