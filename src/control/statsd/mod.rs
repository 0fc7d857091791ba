//! Metrics to a statsd over UDP, every `statsd.interval` and once more at the end. Control thread.
//!
//! ```text
//! sample    what the node says of itself      tail      a histogram's due part as a few values
//! line      names and lines                   packet    lines into datagrams
//! ledger    what was sent, so what is due
//! ```
//!
//! Written here rather than with `cadence`, whose sinks pack lines but do not say which of them
//! a failed send has lost, so that nothing could be carried over.

mod ledger;
mod line;
mod packet;
mod sample;
mod tail;

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use crossbeam_channel::Sender;
use tokio::net::{UdpSocket, lookup_host};
use tokio::sync::oneshot::Receiver;
use tokio::time::{self, Instant, MissedTickBehavior};

use crate::config::Statsd;
use crate::limits::{STATSD_PACKET_PAUSE, STATSD_TIMEOUT};

use super::load::Monitor;
use super::sampler::Sampler;
use ledger::Ledger;
use sample::Sample;

/// Sends what the process counts.
pub(super) struct Push {
    address: String,
    prefix: String,
    interval: time::Duration,
    sampler: Arc<Sampler>,
    monitor: Arc<Monitor>,
    ledger: Ledger,
    failing: bool,
}

impl Push {
    /// `None`: it is off.
    pub(super) fn new(
        config: &Statsd,
        sampler: Arc<Sampler>,
        monitor: Arc<Monitor>,
    ) -> Option<Self> {
        Some(Self {
            address: config.address.clone()?,
            prefix: config.prefix.replace("{host}", &host()),
            interval: config.interval,
            sampler,
            monitor,
            ledger: Ledger::default(),
            failing: false,
        })
    }

    /// Runs until the other end of `wanted` is gone, flushes a last time, then drops `said`.
    pub(super) async fn run(mut self, mut wanted: Receiver<()>, said: Sender<()>) {
        let mut ticks = time::interval_at(Instant::now() + self.interval, self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_last = tokio::select! {
                _ = ticks.tick() => false,
                _ = &mut wanted => true,
            };
            self.flush().await;
            if is_last {
                return drop(said);
            }
        }
    }

    /// Sends what is due. What does not go out is due again in the next flush.
    async fn flush(&mut self) {
        let outcome = match time::timeout(STATSD_TIMEOUT, self.send()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
        };
        match &outcome {
            Err(error) if !self.failing => {
                tracing::warn!(
                    address = self.address,
                    "statsd: {error}; keeping the counts"
                );
            }
            Ok(()) if self.failing => tracing::info!(address = self.address, "statsd: back"),
            _ => {}
        }
        self.failing = outcome.is_err();
    }

    async fn send(&mut self) -> io::Result<()> {
        let socket = connect(&self.address).await?;
        for packet in self
            .ledger
            .due(&Sample::of(&self.sampler, &self.monitor, &self.prefix))
        {
            socket.send(packet.text().as_bytes()).await?;
            self.ledger.settle(&packet);
            time::sleep(STATSD_PACKET_PAUSE).await;
        }
        Ok(())
    }
}

/// A socket of its own for every flush: a statsd that moved is found, and an old refusal is not
/// taken for a new one. Connected, so that a refusal comes back as an error.
async fn connect(address: &str) -> io::Result<UdpSocket> {
    let target = lookup_host(address).await?.next();
    let target = target.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let own = match target {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(own).await?;
    socket.connect(target).await?;
    Ok(socket)
}

/// This host's name as one part of a path.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match line::sanitised(name.trim()) {
        empty if empty.is_empty() => "unknown".into(),
        name => name,
    }
}
