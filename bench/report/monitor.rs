//! Scrapes `/metrics` at intervals while a scenario runs, and samples the memory of the server. A
//! thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::BenchError;
use crate::report::metrics::Scrape;
use crate::report::process::Process;

/// Interval between two scrapes.
const INTERVAL: Duration = Duration::from_millis(500);

/// The results of all scrapes.
#[derive(Debug, Default)]
pub struct MonitorResult {
    pub scrapes: u64,
    pub failed: u64,
    /// A description of each scrape and shard that does not account for every delivery.
    pub unaccounted: Vec<String>,
    /// The server's largest resident memory in bytes.
    pub peak_rss_bytes: u64,
    pub peak_pending: u64,
}

/// A running monitor thread.
#[derive(Debug)]
pub struct MetricsMonitor {
    stop: Arc<AtomicBool>,
    handle: JoinHandle<MonitorResult>,
}

impl MetricsMonitor {
    /// Starts to scrape `admin` and to sample the memory of `server`.
    pub fn start(admin: &str, server: Option<Process>) -> Result<Self, BenchError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (admin, stopped) = (admin.to_owned(), Arc::clone(&stop));
        let run = move || {
            let mut result = MonitorResult::default();
            while !stopped.load(Ordering::Acquire) {
                result.sample(&admin, server);
                thread::park_timeout(INTERVAL);
            }
            result
        };
        let handle = thread::Builder::new().name("metrics".into()).spawn(run)?;
        Ok(Self { stop, handle })
    }

    /// Stops the thread and returns its results. If the thread has panicked, the result has no
    /// scrapes.
    pub fn join(self) -> MonitorResult {
        self.stop.store(true, Ordering::Release);
        self.handle.thread().unpark();
        self.handle.join().unwrap_or_default()
    }
}

impl MonitorResult {
    fn sample(&mut self, admin: &str, server: Option<Process>) {
        self.scrapes += 1;
        match Scrape::read(admin) {
            Ok(scrape) => {
                self.unaccounted.extend(scrape.unaccounted());
                self.peak_pending = self.peak_pending.max(scrape.sum("fanfare_pending", None));
            }
            Err(_) => self.failed += 1,
        }
        let rss_bytes = server
            .and_then(|server| server.rss_bytes().ok())
            .unwrap_or(0);
        self.peak_rss_bytes = self.peak_rss_bytes.max(rss_bytes);
    }
}
