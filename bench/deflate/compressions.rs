//! What the server's own counters say of compressing. Receiving thread.

use crate::arguments::Common;
use crate::fault::Fault;
use crate::metrics::Scrape;

/// What the server's own counters say of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compressions {
    /// Of each shard: all have subscribers, so that each broadcast reaches all.
    pub broadcasts: Vec<u64>,
    pub compressed: u64,
    pub small: u64,
    pub incompressible: u64,
    pub deliveries: u64,
}

impl Compressions {
    /// Reads them now.
    pub fn take(common: &Common) -> Result<Self, Fault> {
        Ok(Self::of(&Scrape::take(&common.admin)?))
    }

    fn of(scrape: &Scrape) -> Self {
        let frames = |outcome| {
            let label = Some(("outcome", outcome));
            scrape.sum("fanfare_deflate_frames_total", label)
        };
        Self {
            broadcasts: scrape.by_shard("fanfare_broadcasts_total"),
            compressed: frames("compressed"),
            small: frames("small"),
            incompressible: frames("incompressible"),
            deliveries: scrape.sum("fanfare_deflate_deliveries_total", None),
        }
    }

    /// What has come since.
    pub fn since(&self, before: &Self) -> Self {
        let broadcasts = self.broadcasts.iter().zip(&before.broadcasts);
        Self {
            broadcasts: broadcasts.map(|(now, before)| now - before).collect(),
            compressed: self.compressed - before.compressed,
            small: self.small - before.small,
            incompressible: self.incompressible - before.incompressible,
            deliveries: self.deliveries - before.deliveries,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed_over_shards() {
        let scrape = Scrape::parse(
            "fanfare_matched_total{shard=\"0\"} 1\nfanfare_matched_total{shard=\"1\"} 1\n\
             fanfare_broadcasts_total{shard=\"0\"} 12\nfanfare_broadcasts_total{shard=\"1\"} 14\n\
             fanfare_deflate_frames_total{shard=\"0\",outcome=\"compressed\"} 5\n\
             fanfare_deflate_frames_total{shard=\"1\",outcome=\"compressed\"} 7\n\
             fanfare_deflate_frames_total{shard=\"1\",outcome=\"small\"} 2\n\
             fanfare_deflate_deliveries_total{shard=\"1\"} 90\n",
        );
        let expected = Compressions {
            broadcasts: vec![12, 14],
            compressed: 12,
            small: 2,
            incompressible: 0,
            deliveries: 90,
        };
        let found = Compressions::of(&scrape);
        assert_eq!(found, expected);
        let nothing = Compressions {
            broadcasts: vec![0, 0],
            ..Compressions::default()
        };
        assert_eq!(found.since(&expected), nothing);
    }
}
