//! Counters, histograms, the health state and the bound on log lines. One thread writes each block
//! of counters, and any thread may read the block. The writer and the readers never wait for each
//! other.

pub mod atomics;
mod clock;
mod counts;
mod health;
mod histogram;
mod log_limiter;
pub mod lossy;
mod published;
mod sequence_lock;
mod stage;

pub use clock::Clock;
pub use counts::{Counts, Description, IngestCounts, Kind, ShardCounts};
pub use health::Health;
pub use histogram::{Histogram, HistogramSnapshot};
pub use log_limiter::{LogLimiter, LogPermit, clip, excerpt};
pub use published::Published;
pub use stage::{Flow, PipelineStage};
