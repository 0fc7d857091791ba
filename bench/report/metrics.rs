//! Reads `/metrics` of the server and checks that it accounts for every delivery. All threads.

use fanfare::admin_client::AdminClient;

use crate::error::BenchError;

/// One line of the exposition format.
#[derive(Debug)]
struct MetricSample {
    name: String,
    labels: String,
    value: u64,
}

impl MetricSample {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels.split(',').find_map(|label| {
            let (key, value) = label.split_once('=')?;
            (key == name).then(|| value.trim_matches('"'))
        })
    }
}

/// The content of `/metrics` at one moment.
#[derive(Debug)]
pub struct Scrape {
    samples: Vec<MetricSample>,
}

impl Scrape {
    /// Reads `/metrics` from the admin port at `admin`, HOST:PORT.
    pub fn read(admin: &str) -> Result<Self, BenchError> {
        let admin_error = |text: String| BenchError::Admin {
            admin: admin.to_owned(),
            text,
        };
        let client =
            AdminClient::new(admin, None).map_err(|error| admin_error(error.to_string()))?;
        let body = client.get("/metrics");
        let body = body.map_err(|error| admin_error(error.to_string()))?;
        let scrape = Self::parse(&body);
        if scrape.shards().is_empty() {
            return Err(admin_error(
                "no fanfare_matched_total with a shard label".into(),
            ));
        }
        Ok(scrape)
    }

    /// Parses the exposition format. Lines with negative values or without a value are left out.
    pub fn parse(text: &str) -> Self {
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.strip_suffix('}')?.to_owned();
            let value = value.parse::<f64>().ok().filter(|value| *value >= 0.0)?;
            #[expect(
                clippy::cast_sign_loss,
                reason = "the filter above leaves no negative value"
            )]
            Some(MetricSample {
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

    /// Returns the sum of a metric over all shards, for one value of a label or for all.
    pub fn sum(&self, name: &str, label: Option<(&str, &str)>) -> u64 {
        let wanted = |sample: &&MetricSample| {
            sample.name == name
                && label.is_none_or(|(label, value)| sample.label(label) == Some(value))
        };
        self.samples
            .iter()
            .filter(wanted)
            .map(|sample| sample.value)
            .sum()
    }

    /// Returns a description of each shard for which `matched = written + dropped + pending` does
    /// not hold.
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
        let matched = |sample: &&MetricSample| sample.name == "fanfare_matched_total";
        self.samples
            .iter()
            .filter(matched)
            .filter_map(|sample| sample.label("shard"))
            .collect()
    }

    /// Returns a metric of each shard.
    pub fn by_shard(&self, name: &str) -> Vec<u64> {
        let shards = self.shards();
        let values = shards.iter().map(|shard| self.of_shard(name, shard));
        values.collect()
    }

    fn of_shard(&self, name: &str, shard: &str) -> u64 {
        let wanted =
            |sample: &&MetricSample| sample.name == name && sample.label("shard") == Some(shard);
        self.samples
            .iter()
            .filter(wanted)
            .map(|sample| sample.value)
            .sum()
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
    fn a_correct_scrape_accounts_for_every_delivery() {
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
    fn one_delivery_too_few_or_too_many_is_detected() {
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
