//! Reads `/metrics` while a scenario runs and checks at every scrape that no delivery is
//! unaccounted for. A thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fanfare::admin_client::AdminClient;

use crate::fault::Fault;
use crate::process::Process;

const INTERVAL: Duration = Duration::from_millis(500);

/// One line of the exposition.
#[derive(Debug)]
struct Sample {
    name: String,
    labels: String,
    value: u64,
}

impl Sample {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels.split(',').find_map(|label| {
            let (key, value) = label.split_once('=')?;
            (key == name).then(|| value.trim_matches('"'))
        })
    }
}

/// One reading of `/metrics`.
#[derive(Debug)]
pub struct Scrape {
    samples: Vec<Sample>,
}

impl Scrape {
    /// Reads the admin port at `admin`, HOST:PORT.
    pub fn take(admin: &str) -> Result<Self, Fault> {
        let fault = |text: String| Fault::Admin {
            admin: admin.to_owned(),
            text,
        };
        let client = AdminClient::new(admin, None).map_err(|error| fault(error.to_string()))?;
        let body = client.get("/metrics");
        let body = body.map_err(|error| fault(error.to_string()))?;
        let scrape = Self::parse(&body);
        if scrape.shards().is_empty() {
            return Err(fault("no fanfare_matched_total with a shard label".into()));
        }
        Ok(scrape)
    }

    pub fn parse(text: &str) -> Self {
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.strip_suffix('}')?.to_owned();
            let value = value.parse::<f64>().ok().filter(|value| *value >= 0.0)?;
            #[expect(
                clippy::cast_sign_loss,
                reason = "not negative: checked one line above"
            )]
            Some(Sample {
                name: name.to_owned(),
                labels,
                value: value as u64,
            })
        };
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self {
            samples: lines.filter_map(sample).collect(),
        }
    }

    /// The sum of a metric over all shards, of one value of a label or all.
    pub fn sum(&self, name: &str, label: Option<(&str, &str)>) -> u64 {
        let wanted = |sample: &&Sample| {
            sample.name == name
                && label.is_none_or(|(label, value)| sample.label(label) == Some(value))
        };
        self.samples
            .iter()
            .filter(wanted)
            .map(|sample| sample.value)
            .sum()
    }

    /// The shards for which `matched = written + dropped + pending` does not hold, described.
    pub fn unaccounted(&self) -> Vec<String> {
        let mut out = Vec::new();
        for shard in self.shards() {
            let matched = self.of_shard("fanfare_matched_total", shard);
            let written = self.of_shard("fanfare_written_total", shard);
            let dropped = self.of_shard("fanfare_dropped_total", shard);
            let pending = self.of_shard("fanfare_pending", shard);
            if matched != written + dropped + pending {
                out.push(format!(
                    "shard {shard}: matched {matched}, but written {written} + dropped {dropped} + \
                     pending {pending}"
                ));
            }
        }
        out
    }

    fn shards(&self) -> Vec<&str> {
        let matched = |sample: &&Sample| sample.name == "fanfare_matched_total";
        self.samples
            .iter()
            .filter(matched)
            .filter_map(|sample| sample.label("shard"))
            .collect()
    }

    /// A metric of each shard.
    pub fn by_shard(&self, name: &str) -> Vec<u64> {
        let shards = self.shards();
        let values = shards.iter().map(|shard| self.of_shard(name, shard));
        values.collect()
    }

    fn of_shard(&self, name: &str, shard: &str) -> u64 {
        let wanted = |sample: &&Sample| sample.name == name && sample.label("shard") == Some(shard);
        self.samples
            .iter()
            .filter(wanted)
            .map(|sample| sample.value)
            .sum()
    }
}

/// What the scrapes of a run found.
#[derive(Debug, Default)]
pub struct Watched {
    pub scrapes: u64,
    pub failed: u64,
    /// Each scrape and shard that did not add up.
    pub unaccounted: Vec<String>,
    /// The server's largest resident memory, bytes.
    pub peak_rss_bytes: u64,
    pub peak_pending: u64,
}

/// A running thread that scrapes.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    handle: JoinHandle<Watched>,
}

impl Watch {
    /// Starts scraping `admin`, and sampling the memory of `server`.
    pub fn start(admin: &str, server: Option<Process>) -> Result<Self, Fault> {
        let stop = Arc::new(AtomicBool::new(false));
        let (admin, stopped) = (admin.to_owned(), Arc::clone(&stop));
        let run = move || {
            let mut watched = Watched::default();
            while !stopped.load(Ordering::Acquire) {
                watched.look(&admin, server);
                thread::park_timeout(INTERVAL);
            }
            watched
        };
        let handle = thread::Builder::new().name("metrics".into()).spawn(run)?;
        Ok(Self { stop, handle })
    }

    /// Ends it.
    pub fn join(self) -> Watched {
        self.stop.store(true, Ordering::Release);
        self.handle.thread().unpark();
        // A panic there leaves nothing to report, which the caller sees as no scrapes at all.
        self.handle.join().unwrap_or_default()
    }
}

impl Watched {
    fn look(&mut self, admin: &str, server: Option<Process>) {
        self.scrapes += 1;
        match Scrape::take(admin) {
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

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE fanfare_matched counter\n\
        fanfare_matched_total{shard=\"0\"} 100\nfanfare_matched_total{shard=\"1\"} 7\n\
        fanfare_written_total{shard=\"0\"} 80\nfanfare_written_total{shard=\"1\"} 7\n\
        fanfare_dropped_total{shard=\"0\",reason=\"slow\"} 12\n\
        fanfare_dropped_total{reason=\"oldest\",shard=\"0\"} 3\n\
        fanfare_pending{shard=\"0\"} 5\nfanfare_pending{shard=\"1\"} 0\n\
        fanfare_pending_bytes{shard=\"0\"} 999\n# EOF\n";

    #[test]
    fn a_scrape_that_adds_up() {
        let scrape = Scrape::parse(TEXT);
        assert_eq!(scrape.shards(), ["0", "1"]);
        assert_eq!(scrape.unaccounted(), [""; 0]);
        assert_eq!(scrape.by_shard("fanfare_written_total"), [80, 7]);
        assert_eq!(scrape.sum("fanfare_dropped_total", None), 15);
        assert_eq!(
            scrape.sum("fanfare_dropped_total", Some(("reason", "slow"))),
            12
        );
    }

    #[test]
    fn one_delivery_too_few_or_too_many_is_seen() {
        for (from, to) in [
            ("} 80", "} 79"),
            ("} 80", "} 81"),
            ("} 12", "} 13"),
            ("} 5", "} 4"),
        ] {
            let scrape = Scrape::parse(&TEXT.replace(from, to));
            assert_eq!(scrape.unaccounted().len(), 1, "{from} {to}");
            assert!(scrape.unaccounted()[0].starts_with("shard 0"));
        }
    }
}
