//! Per-core counters and histograms. The owning core writes, any core reads; nobody waits.

mod clock;
mod counts;
mod health;
mod histogram;
pub mod lossy;
mod published;
mod stage;

pub use clock::Clock;
pub use counts::{Counts, Description, IngestCounts, Kind, ShardCounts};
pub use health::Health;
pub use histogram::{Histogram, HistogramSnapshot};
pub use published::Published;
pub use stage::{Flow, PipelineStage};
