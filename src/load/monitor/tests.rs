//! Drains of shares on shards that take requests, and on shards that do not.

use crate::fabric::Wake;
use crate::limits::SHARD_REQUESTS;
use crate::observe::ShardCounts;

use super::*;

const PERIOD: Duration = Duration::from_secs(60);

/// Returns a node whose shards have so many connections.
fn monitor(connections: &[u64]) -> Arc<Monitor> {
    let wake = || Wake::new(tempfile::tempfile().expect("a file stands in for an event"));
    let wakes = connections.iter().map(|_| wake()).collect();
    let fabric = Fabric::new(wakes, wake(), 1000);
    for (shard, connections) in fabric.shards.iter().zip(connections) {
        shard.counts.store(&ShardCounts {
            connections: *connections,
            ..ShardCounts::default()
        });
    }
    let config = Config::default();
    let layout = config.cpu.layout(&[0, 1]);
    Monitor::new(&config, &layout, Arc::new(fabric))
}

/// Fills the request queue of a shard.
fn fill_queue(monitor: &Monitor, shard: usize) {
    let lane = &monitor.fabric.shards[shard].lane;
    assert!((0..SHARD_REQUESTS).all(|_| lane.request(ShardRequest::Stop).is_ok()));
}

/// Returns how many connections the next request makes a shard close.
fn requested(monitor: &Monitor, shard: usize) -> Option<u64> {
    match monitor.fabric.shards[shard].lane.pop_request()? {
        ShardRequest::Drain {
            scope: DrainScope::Count(count),
            ..
        } => Some(count),
        _ => None,
    }
}

#[test]
fn every_shard_with_connections_gets_its_part() {
    let monitor = monitor(&[100, 0, 50]);
    let drain = monitor.drain_share(0.2, PERIOD).unwrap();
    assert_eq!((drain.leaving, drain.connections), (30, 150));
    let parts = [0, 1, 2].map(|shard| requested(&monitor, shard));
    assert_eq!(parts, [Some(20), None, Some(10)]);
    assert_eq!(
        monitor.drain_share(0.2, PERIOD).err(),
        Some(ShareDrainError::Running)
    );
}

#[test]
fn a_shard_that_takes_no_request_is_listed_and_the_others_drain() {
    let monitor = monitor(&[100, 50]);
    fill_queue(&monitor, 0);
    let drain = monitor.drain_share(0.2, PERIOD).unwrap();
    assert_eq!((drain.leaving, drain.refused_shards), (10, vec![0]));
    assert_eq!(requested(&monitor, 1), Some(10));
    let json = monitor.json();
    assert_eq!(json["drain"]["leaving"], 10);
    assert_eq!(json["drain"]["refused_shards"], serde_json::json!([0]));
    assert_eq!(json["weight"], 1);
}

#[test]
fn without_a_shard_that_takes_requests_nothing_begins() {
    let monitor = monitor(&[100, 50]);
    fill_queue(&monitor, 0);
    fill_queue(&monitor, 1);
    for _ in 0..2 {
        assert_eq!(
            monitor.drain_share(0.2, PERIOD).err(),
            Some(ShareDrainError::NoShard)
        );
    }
    assert!(monitor.json()["drain"].is_null());
}

#[test]
fn a_node_without_connections_has_none_to_close() {
    let monitor = monitor(&[0, 0]);
    let drain = monitor.drain_share(1.0, PERIOD);
    assert_eq!(drain.map(|drain| drain.leaving), Ok(0));
}
