//! Sends the figures of the process to a statsd. Service thread.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::sync::oneshot;
use tokio::time::{self, Instant, MissedTickBehavior};

use crate::config::{HostAndPort, StatsdConfig};
use crate::limits::{STATSD_PACKET_PAUSE, STATSD_TIMEOUT};
use crate::load::Monitor;
use crate::metrics::sampler::Sampler;

use super::delta_encoder::DeltaEncoder;
use super::line;
use super::metric_set::MetricSet;

/// Sends all counters, gauges and timers to one statsd at an interval.
pub(crate) struct StatsdExporter {
    address: HostAndPort,
    prefix: String,
    interval: Duration,
    sampler: Arc<Sampler>,
    monitor: Arc<Monitor>,
    encoder: DeltaEncoder,
    /// Whether the last flush failed. Only changes are logged.
    is_failing: bool,
}

impl StatsdExporter {
    /// Creates an exporter, or `None` if `statsd.address` is off.
    pub(crate) fn new(
        config: &StatsdConfig,
        sampler: Arc<Sampler>,
        monitor: Arc<Monitor>,
    ) -> Option<Self> {
        Some(Self {
            address: config.address.clone()?,
            prefix: config.prefix.for_host(&host_name()),
            interval: config.interval,
            sampler,
            monitor,
            encoder: DeltaEncoder::default(),
            is_failing: false,
        })
    }

    /// Flushes at every interval until the sender of `stop` is dropped, then a last time.
    pub(crate) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let mut ticks = time::interval_at(Instant::now() + self.interval, self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_last = tokio::select! {
                _ = ticks.tick() => false,
                _ = &mut stop => true,
            };
            self.flush().await;
            if is_last {
                return;
            }
        }
    }

    /// Sends everything that the statsd has not received yet. The part that cannot be sent remains
    /// for the next flush.
    async fn flush(&mut self) {
        let sent = match time::timeout(STATSD_TIMEOUT, self.send()).await {
            Ok(sent) => sent,
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
        };
        match &sent {
            Err(error) if !self.is_failing => {
                tracing::warn!(
                    address = %self.address,
                    "statsd: {error}; keeping the counts"
                );
            }
            Ok(()) if self.is_failing => tracing::info!(address = %self.address, "statsd: back"),
            _ => {}
        }
        self.is_failing = sent.is_err();
    }

    async fn send(&mut self) -> io::Result<()> {
        let socket = connect(&self.address).await?;
        let metrics = MetricSet::collect(&self.sampler, &self.monitor, &self.prefix);
        for packet in self.encoder.encode(&metrics) {
            socket.send(packet.text().as_bytes()).await?;
            self.encoder.confirm(&packet);
            time::sleep(STATSD_PACKET_PAUSE).await;
        }
        Ok(())
    }
}

/// Opens a socket for one flush. A new one each time finds a statsd whose address has changed, and
/// does not report an ICMP error of an earlier flush. The socket is connected, because only then
/// the kernel reports ICMP errors.
async fn connect(address: &HostAndPort) -> io::Result<UdpSocket> {
    let target = lookup_host((address.host(), address.port())).await?.next();
    let target = target.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let local = match target {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(target).await?;
    Ok(socket)
}

/// Returns the name of this host as one component of a metric name.
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match line::sanitize(name.trim()) {
        empty if empty.is_empty() => "unknown".into(),
        name => name,
    }
}
