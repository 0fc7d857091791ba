//! One client that subscribes and unsubscribes continually under a steady load. Nothing may be
//! delivered after an unsubscribe reply, and nothing may be missing after a subscribe reply.
//! Receiving thread.

mod client;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use self::client::{SubscriptionStage, TOGGLING_CONNECTION, ToggleViolations, TogglingClient};
use crate::client::assignment::TopicAssignment;
use crate::client::connection::ConnectionPlan;
use crate::client::fleet::Fleet;
use crate::client::ledger::Ledger;
use crate::clock::Clock;
use crate::error::BenchError;
use crate::options::Protocol;
use crate::payload;
use crate::publishing::publisher::{Published, Publisher, PublishingSchedule};
use crate::report::progress::ProgressIndicator;
use crate::report::results::Report;
use crate::targets::context::RunContext;

/// Maximum wait of one poll: short against the period of a toggle.
const POLL_TIMEOUT: Duration = Duration::from_millis(1);

/// Maximum time of a subscription without a delivery, and of a command without a reply.
const SILENCE_US: u64 = 1_000_000;

#[derive(Clone, Debug, Args)]
pub struct ToggleOptions {
    /// Publications per second
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// Subscriptions per second
    #[arg(long, default_value_t = 100)]
    toggles: u32,
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Bytes of a publication
    #[arg(long, default_value_t = 300)]
    payload: usize,
    /// Clients that stay subscribed, so that the shard always receives the publications
    #[arg(long, default_value_t = 1)]
    others: usize,
}

impl ToggleOptions {
    /// Returns the planned duration of a run in seconds.
    pub fn duration_s(&self) -> u32 {
        self.seconds
    }
}

pub fn run(context: &RunContext, options: &ToggleOptions) -> Result<Report, BenchError> {
    if options.rate == 0 || options.toggles == 0 {
        return Err(BenchError::Arguments(
            "--rate and --toggles: at least 1".into(),
        ));
    }
    let clock = Clock::new();
    let mut fleet = Fleet::new(context, clock, options.payload)?;
    fleet.set_poll_timeout(POLL_TIMEOUT);
    fleet.add(ConnectionPlan::new(Protocol::Client, vec![]));
    for _ in 0..options.others {
        fleet.add(ConnectionPlan::new(Protocol::Client, vec![0]));
    }
    fleet.open_all()?;
    let schedule = PublishingSchedule {
        rate: options.rate,
        seconds: options.seconds,
        warm_up: 0,
        payload: options.payload,
        body: context.options.body,
        sequences: vec![0],
    };
    let _indicator = ProgressIndicator::start("toggle", options.duration_s());
    let publisher = Publisher::start(context, clock, schedule)?;
    let others = Ledger::new(TopicAssignment::single_topic(options.others));
    let mut client = TogglingClient::new(Arc::clone(&publisher.progress), others, clock);
    let subscriptions = toggle(&mut fleet, &mut client, &publisher, options)?;
    let sent = publisher.join()?;
    let deadline_us = clock.now_us() + SILENCE_US;
    while client.others.missing(&sent.sequences) > 0 && clock.now_us() < deadline_us {
        fleet.poll(&mut client)?;
    }
    Ok(report(options, &fleet, &client, &sent, subscriptions))
}

/// Toggles while the publisher runs. Every subscription is due at a fixed time. It lasts half of
/// the period, and longer if nothing has been delivered by then. Returns the number of
/// subscriptions.
fn toggle(
    fleet: &mut Fleet,
    client: &mut TogglingClient,
    publisher: &Publisher,
    options: &ToggleOptions,
) -> Result<u64, BenchError> {
    let clock = client.clock;
    let channel = payload::topic_name(0);
    let period_us = 1_000_000 / u64::from(options.toggles);
    let start_us = clock.now_us();
    let (mut count, mut id) = (0, 1);
    let mut send_command = |fleet: &mut Fleet, name: &str| {
        id += 1;
        fleet.send(
            TOGGLING_CONNECTION,
            &format!(r#"{{"id":{id},"{name}":{{"channel":"{channel}"}}}}"#),
        )
    };
    while !publisher.is_done() {
        fleet.poll(client)?;
        let now_us = clock.now_us();
        let stage_us = now_us - client.stage_since_us;
        match client.stage {
            SubscriptionStage::Unsubscribed if now_us >= start_us + count * period_us => {
                count += 1;
                client.enter(SubscriptionStage::Subscribing);
                send_command(fleet, "subscribe")?;
            }
            SubscriptionStage::Subscribed if stage_us > SILENCE_US => {
                client.violations.silent += 1;
                client.enter(SubscriptionStage::Unsubscribing);
                send_command(fleet, "unsubscribe")?;
            }
            SubscriptionStage::Subscribed if stage_us >= period_us / 2 && client.has_delivery() => {
                client.enter(SubscriptionStage::Unsubscribing);
                send_command(fleet, "unsubscribe")?;
            }
            SubscriptionStage::Subscribing | SubscriptionStage::Unsubscribing
                if stage_us > SILENCE_US =>
            {
                client.violations.errors += 1;
                break;
            }
            _ => {}
        }
    }
    Ok(count)
}

fn report(
    options: &ToggleOptions,
    fleet: &Fleet,
    client: &TogglingClient,
    sent: &Published,
    subscriptions: u64,
) -> Report {
    let mut report = Report::new("toggle");
    report.add("published", sent.sequences[0]);
    report.add("subscriptions", subscriptions);
    report.add_decimal(
        "subscriptions_per_second",
        subscriptions as f64 / f64::from(options.seconds),
    );
    let expected = u64::from(options.toggles) * u64::from(options.seconds);
    report.check(subscriptions * 10 >= expected * 9, || {
        format!("subscriptions: {subscriptions}, expected at least 90 % of {expected}")
    });
    report.add("received", client.received);
    let ToggleViolations {
        outside,
        missing,
        repeated,
        silent,
        errors,
    } = client.violations;
    report.add_zero("outside", outside);
    report.add_zero("missing", missing);
    report.add_zero("repeated", repeated);
    report.add_zero("silent", silent);
    report.add_zero("errors", errors);
    report.add_zero("closed", fleet.counts.closed);
    report.add_zero("unknown", fleet.counts.unknown);
    report.add_zero("rejected", sent.rejected);
    report.add("others", options.others);
    let sequences = &sent.sequences;
    report.add_zero("others_missing", client.others.missing(sequences));
    let counts = client.others.counts;
    report.add_zero(
        "others_out_of_step",
        counts.duplicate + counts.disordered + counts.foreign,
    );
    report.add_latency("publisher_lateness", &sent.lateness);
    report
}
