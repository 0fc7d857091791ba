//! The compression counters of the server. Receiving thread.

use crate::error::BenchError;
use crate::report::metrics::Scrape;

/// The server's counters of compression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompressionCounters {
    /// Broadcasts of each shard. Every shard has subscribers, so every broadcast reaches all
    /// shards.
    pub broadcasts: Vec<u64>,
    /// Frames that were compressed.
    pub compressed: u64,
    /// Frames below the threshold for compression.
    pub small: u64,
    /// Frames that compression did not make smaller.
    pub incompressible: u64,
    /// Deliveries of compressed frames.
    pub deliveries: u64,
}

impl CompressionCounters {
    /// Reads the counters from the admin port at `admin`, HOST:PORT.
    pub fn read(admin: &str) -> Result<Self, BenchError> {
        Ok(Self::of(&Scrape::read(admin)?))
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

    /// Returns the increase since an earlier reading.
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
        let expected = CompressionCounters {
            broadcasts: vec![12, 14],
            compressed: 12,
            small: 2,
            incompressible: 0,
            deliveries: 90,
        };
        let found = CompressionCounters::of(&scrape);
        assert_eq!(found, expected);
        let nothing = CompressionCounters {
            broadcasts: vec![0, 0],
            ..CompressionCounters::default()
        };
        assert_eq!(found.since(&expected), nothing);
    }
}
