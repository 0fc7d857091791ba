//! The cost of tokens in a storm, measured in pairs: a server that requires tokens and one without
//! tokens alternately, each in a new process. Both get the same three storms: one, another with the
//! same clients, and one while other clients receive publications. Receiving thread.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::others::{OtherClients, OthersOutcome, StormWindow};
use super::{Storm, StormOptions};
use crate::clock::Clock;
use crate::error::BenchError;
use crate::options::{CommonOptions, Protocol};
use crate::report::comparison::ComparisonTable;
use crate::report::metrics::Scrape;
use crate::report::pairs::add_figure;
use crate::report::results::{Bound, Report};
use crate::report::schedule::PairSchedule;
use crate::report::spread::Spread;
use crate::targets::context::{self, RunContext};
use crate::targets::cores::CoreAssignment;
use crate::targets::name::TargetName;
use crate::targets::ports::PortAllocator;
use crate::targets::tokens::{TokenAlgorithm, TokenSigner};

/// Number of pairs without `--pairs`.
const PAIRS: u32 = 5;

/// Maximum CPU time of a connect with a token, as a multiple of that without.
const HS256_CPU: Bound = Bound::AtMost(1.15);
/// Maximum CPU time that a token of ES256 adds to a connect, in microseconds.
const ES256_MORE_US: Bound = Bound::AtMost(60.0);
/// Maximum CPU time of a connect whose token the server has verified before.
const AGAIN_CPU: Bound = Bound::AtMost(1.2);
/// Maximum p99 of the other clients during a storm with tokens.
const OTHERS_P99: Bound = Bound::AtMost(2.0);

/// The figures of each server: CPU time of the first and of the second storm, and the p99 of the
/// other clients during the third.
const FIGURES: [&str; 3] = [
    "server_cpu_us_per_connection",
    "server_cpu_us_per_connection_again",
    "others_latency_p99_us",
];

/// The values of [`FIGURES`].
type StormFigures = [f64; FIGURES.len()];

/// The CPU time that tokens add to the first figure.
const CPU_MORE: &str = "server_cpu_us_more_per_connection";

/// The label of the server without tokens.
const WITHOUT: &str = "without";

/// Time for which the other clients receive before the storm.
const LEAD: Duration = Duration::from_millis(300);

/// Maximum time and interval of the wait for the end of closed connections.
const CLOSE_TIMEOUT_US: u64 = 20_000_000;
const CLOSE_INTERVAL: Duration = Duration::from_millis(50);

/// Counts over all storms, each of which must be zero.
#[derive(Default)]
struct StormFaults {
    refused: u64,
    failed: u64,
    hanging: u64,
    closed: u64,
    unknown: u64,
    missing: u64,
    duplicate: u64,
    disordered: u64,
    foreign: u64,
}

/// One server and its clients.
struct Measurement<'a> {
    context: &'a RunContext,
    options: &'a StormOptions,
    clock: Clock,
    signer: Option<&'a TokenSigner>,
    faults: &'a mut StormFaults,
}

/// Measures all pairs.
pub fn run(
    common: &CommonOptions,
    options: &StormOptions,
    algorithm: TokenAlgorithm,
    cores: CoreAssignment,
) -> Result<Report, BenchError> {
    check(common, options)?;
    let signer = TokenSigner::new(algorithm)?;
    let mut with_tokens = common.clone();
    with_tokens.settings.extend(signer.settings());
    let mut ports = PortAllocator::new();
    let mut faults = StormFaults::default();
    let mut measure = |common: &CommonOptions, signer: Option<&TokenSigner>| {
        let context = context::start(common, &common.target, cores, &mut ports)?;
        let mut measurement = Measurement {
            context: &context,
            options,
            clock: Clock::new(),
            signer,
            faults: &mut faults,
        };
        measurement.run()
    };
    let schedule = PairSchedule::start("storm", common.pairs.unwrap_or(PAIRS), 0);
    let mut pairs = Vec::new();
    for nth in 1..=schedule.pairs {
        pairs.push((
            measure(&with_tokens, Some(&signer))?,
            measure(common, None)?,
        ));
        schedule.finish_pair(nth);
    }
    Ok(report(options, algorithm, &pairs, &faults))
}

fn check(common: &CommonOptions, options: &StormOptions) -> Result<(), BenchError> {
    options.check()?;
    let error = |text: &str| Err(BenchError::Arguments(text.to_owned()));
    if common.url.is_some() {
        return error("--token: the load generator has to start the servers; leave out --url");
    }
    if common.against != TargetName::Baseline || !common.target.is_fanfare() {
        return error(
            "--token: compares fanfare with tokens and without; leave out --against, and use \
             fanfare or build:PATH as --target",
        );
    }
    if options.protocol == Protocol::Raw {
        return error("--token: use --protocol client or protobuf");
    }
    if options.others == 0 || options.rate == 0 || options.seconds == 0 {
        return error("--others, --rate and --seconds: at least 1");
    }
    Ok(())
}

impl Measurement<'_> {
    fn run(&mut self) -> Result<StormFigures, BenchError> {
        let count = self.options.connections;
        let clients = self.tokens(0..count)?;
        let cpu_us = self.storm(clients.clone())?;
        let cpu_again_us = self.storm(clients)?;
        let (others, clients) = (
            self.tokens(count..count + self.options.others)?,
            self.tokens(count + self.options.others..2 * count + self.options.others)?,
        );
        let others_p99_us = self.storm_beside(others, clients)?;
        Ok([cpu_us, cpu_again_us, others_p99_us])
    }

    /// Returns the tokens of users whose numbers are in `users`.
    fn tokens(&self, users: std::ops::Range<usize>) -> Result<Vec<Option<String>>, BenchError> {
        let token = |user| self.signer.map(|signer| signer.token(user)).transpose();
        users.map(token).collect()
    }

    /// Connects all clients and closes them. Returns the CPU time of the server per connection.
    fn storm(&mut self, tokens: Vec<Option<String>>) -> Result<f64, BenchError> {
        let before = self.connections()?;
        let storm = Storm::open(self.context, self.clock, self.options.protocol, tokens)?;
        self.faults.add(&storm);
        let cpu_us = storm.cpu_us.unwrap_or(f64::NAN);
        storm.fleet.reset()?;
        let deadline_us = self.clock.now_us() + CLOSE_TIMEOUT_US;
        while self.connections()? > before && self.clock.now_us() < deadline_us {
            thread::sleep(CLOSE_INTERVAL);
        }
        Ok(cpu_us)
    }

    /// Connects all clients while other clients receive publications. Returns the p99 of the
    /// latter.
    fn storm_beside(
        &mut self,
        others: Vec<Option<String>>,
        clients: Vec<Option<String>>,
    ) -> Result<f64, BenchError> {
        let (context, clock, options) = (self.context, self.clock, self.options);
        let others = OtherClients {
            protocol: options.protocol,
            tokens: others,
            rate: options.rate,
            seconds: options.seconds,
        };
        let window = StormWindow::new();
        let (ready, wait) = mpsc::channel();
        let (storm, outcome) = thread::scope(|scope| {
            let others = scope.spawn(|| {
                let ready = ready;
                others.run(context, clock, &window, &ready)
            });
            // An error means that the other clients have failed, and `join` returns why.
            let storm = wait.recv().ok().map(|()| {
                thread::sleep(LEAD);
                window.start(clock.now_us());
                let storm = Storm::open(context, clock, options.protocol, clients);
                window.end(clock.now_us());
                storm
            });
            (storm, others.join())
        });
        let outcome = outcome.map_err(|_| BenchError::ReceiverPanicked)??;
        self.faults.add_others(&outcome);
        if let Some(storm) = storm {
            self.faults.add(&storm?);
        }
        if outcome.latency.is_empty() {
            return Ok(f64::NAN);
        }
        Ok(outcome.latency.value_at_quantile(0.99) as f64)
    }

    /// Returns the number of open sockets of the server.
    fn connections(&self) -> Result<u64, BenchError> {
        let scrape = Scrape::read(&self.context.admin)?;
        Ok(scrape.sum("fanfare_connections", None))
    }
}

impl StormFaults {
    fn add(&mut self, storm: &Storm) {
        let counts = storm.counts();
        self.refused += counts.refused;
        self.failed += counts.failed;
        self.hanging += storm.hanging();
        self.closed += counts.closed;
        self.unknown += counts.unknown;
    }

    fn add_others(&mut self, outcome: &OthersOutcome) {
        self.closed += outcome.closed;
        self.unknown += outcome.unknown;
        self.missing += outcome.missing;
        self.duplicate += outcome.counts.duplicate;
        self.disordered += outcome.counts.disordered;
        self.foreign += outcome.counts.foreign;
    }
}

fn report(
    options: &StormOptions,
    algorithm: TokenAlgorithm,
    pairs: &[(StormFigures, StormFigures)],
    faults: &StormFaults,
) -> Report {
    let mut report = Report::new("storm");
    report.add("connections", options.connections);
    report.add("others", options.others);
    report.add("pairs", pairs.len());
    for (name, count) in [
        ("refused", faults.refused),
        ("failed", faults.failed),
        ("hanging", faults.hanging),
        ("closed", faults.closed),
        ("unknown", faults.unknown),
        ("others_missing", faults.missing),
        ("others_duplicate", faults.duplicate),
        ("others_disordered", faults.disordered),
        ("others_foreign", faults.foreign),
    ] {
        report.add_zero(name, count);
    }
    let labels = [algorithm.label().to_owned(), WITHOUT.to_owned()];
    let mut table = ComparisonTable::new(&labels);
    let mut ratios = [f64::NAN; FIGURES.len()];
    for (index, (figure, ratio)) in FIGURES.into_iter().zip(&mut ratios).enumerate() {
        let values = |(with, without): &(StormFigures, StormFigures)| (with[index], without[index]);
        let values: Vec<_> = pairs.iter().map(values).collect();
        *ratio = add_figure(&mut report, &mut table, &labels, figure, &values);
    }
    report.add_note(table.text());
    match algorithm {
        TokenAlgorithm::Hs256 => report.check_ratio(FIGURES[0], WITHOUT, ratios[0], HS256_CPU),
        TokenAlgorithm::Es256 => {
            let more = |(with, without): &(StormFigures, StormFigures)| with[0] - without[0];
            let more_us = Spread::of(&pairs.iter().map(more).collect::<Vec<_>>());
            report.add_detail(CPU_MORE, more_us.median);
            report.check_bound(CPU_MORE, more_us.median, ES256_MORE_US);
        }
    }
    report.check_ratio(FIGURES[1], WITHOUT, ratios[1], AGAIN_CPU);
    report.check_ratio(FIGURES[2], WITHOUT, ratios[2], OTHERS_P99);
    report
}
