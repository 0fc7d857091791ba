//! Shares of the connections of shards that take orders, and of shards that do not.

use crate::fabric::Wake;
use crate::limits::SHARD_REQUESTS;
use crate::observe::ShardCounts;

use super::*;

const PERIOD: Duration = Duration::from_secs(60);

/// A node whose shards have so many connections.
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

/// Nothing more goes on this shard's lane.
fn stop_up(monitor: &Monitor, shard: usize) {
    let lane = &monitor.fabric.shards[shard].lane;
    assert!((0..SHARD_REQUESTS).all(|_| lane.order(Order::Stop)));
}

/// How many connections this shard was told to close.
fn ordered(monitor: &Monitor, shard: usize) -> Option<u64> {
    match monitor.fabric.shards[shard].lane.pop_order()? {
        Order::Drain {
            leaving: DrainScope::Count(count),
            ..
        } => Some(count),
        _ => None,
    }
}

#[test]
fn every_shard_is_told_its_part() {
    let monitor = monitor(&[100, 0, 50]);
    let moving = monitor.shed(0.2, PERIOD).unwrap();
    assert_eq!((moving.leaving, moving.connections), (30, 150));
    let told = [0, 1, 2].map(|shard| ordered(&monitor, shard));
    assert_eq!(told, [Some(20), None, Some(10)]);
    assert_eq!(monitor.shed(0.2, PERIOD).err(), Some(Refused::Running));
}

#[test]
fn what_the_others_took_is_under_way_when_one_refuses() {
    let monitor = monitor(&[100, 50]);
    stop_up(&monitor, 0);
    let moving = monitor.shed(0.2, PERIOD).unwrap();
    assert_eq!((moving.leaving, moving.refused), (10, vec![0]));
    assert_eq!(ordered(&monitor, 1), Some(10));
    let json = monitor.json();
    assert_eq!(json["drain"]["leaving"], 10);
    assert_eq!(json["drain"]["refused_shards"], serde_json::json!([0]));
    assert_eq!(json["weight"], 1);
}

#[test]
fn when_all_refuse_nothing_has_begun() {
    let monitor = monitor(&[100, 50]);
    stop_up(&monitor, 0);
    stop_up(&monitor, 1);
    for _ in 0..2 {
        assert_eq!(monitor.shed(0.2, PERIOD).err(), Some(Refused::Stuck));
    }
    assert!(monitor.json()["drain"].is_null());
}

#[test]
fn an_empty_node_has_nobody_to_move() {
    let monitor = monitor(&[0, 0]);
    assert_eq!(monitor.shed(1.0, PERIOD).map(|it| it.leaving), Ok(0));
}
