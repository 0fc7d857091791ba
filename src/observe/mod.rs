//! Counters, histograms, the health state, the bound on log lines and text for terminals. Each
//! block of counters has one writing thread, every thread may read the block, and neither takes a
//! lock.

pub mod atomics;
mod clock;
mod counts;
mod health;
mod histogram;
mod log_limiter;
pub mod lossy;
mod published;
mod sequence_lock;
mod service_meters;
mod stage;
mod terminal;

pub use clock::Clock;
pub use counts::{Counts, Description, IngestCounts, Kind, ShardCounts};
pub use health::Health;
pub use histogram::{Histogram, HistogramSnapshot};
pub use log_limiter::{LogLimiter, LogPermit, clip, excerpt};
pub use published::Published;
pub use service_meters::{HookMeters, RequestResult, ResultCounts, ServiceMeters};
pub use stage::{Flow, PipelineStage};
pub use terminal::escape_for_terminal;
