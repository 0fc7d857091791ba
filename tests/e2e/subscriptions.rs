//! The guarantees of replies to subscribe and unsubscribe, under load.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use serde_json::Value;

use super::client::Client;
use super::publisher::Publisher;
use super::server::Server;

/// Publishes 0, 1, 2 and so on to a topic. Each number is sent after ingest has acknowledged the
/// previous one.
struct Stream {
    /// Numbers below this one have been acknowledged.
    acknowledged: AtomicU64,
    /// Numbers below this one may have been sent.
    begun: AtomicU64,
    over: AtomicBool,
}

impl Stream {
    fn run(&self, server: &Server, topic: &str) {
        let publisher = Publisher::request(server);
        while !self.over.load(Ordering::SeqCst) {
            let number = self.begun.fetch_add(1, Ordering::SeqCst);
            publisher.send_and_wait(topic, number.to_string());
            self.acknowledged.store(number + 1, Ordering::SeqCst);
        }
    }
}

/// Subscribes, reads some publications and unsubscribes, repeatedly. Checks the publications.
fn toggle(server: &Server, stream: &Stream, rounds: usize) {
    let mut client = Client::connect(server);
    for _ in 0..rounds {
        let mut numbers = Numbers::subscribe(&mut client, stream);
        for _ in 0..6 {
            let number = client.next().1;
            numbers.check(&number);
        }
        client.unsubscribe("a");
        while let Some((_, number)) = client.next_kept() {
            numbers.check(&number);
        }
    }
    let late = client.next_within(Duration::from_millis(100));
    assert_eq!(late, None, "after the unsubscribe reply");
}

/// The state of one subscription.
struct Numbers {
    last: Option<u64>,
    /// Numbers from this one on were published after the subscribe reply, so none may be missing.
    guaranteed_from: u64,
}

impl Numbers {
    #[track_caller]
    fn subscribe(client: &mut Client, stream: &Stream) -> Self {
        client.subscribe("a");
        let guaranteed_from = stream.begun.load(Ordering::SeqCst);
        Self {
            last: None,
            guaranteed_from,
        }
    }

    /// Checks the next number. Numbers may be missing only before the guarantee applies, and none
    /// is received twice.
    #[track_caller]
    fn check(&mut self, number: &Value) {
        let number = number.as_u64().expect("a number was published");
        let least = self.last.map_or(0, |last| last + 1);
        let most = least.max(self.guaranteed_from);
        assert!((least..=most).contains(&number), "{least} {number} {most}");
        self.last = Some(number);
    }
}

#[test]
fn subscriptions_under_load_miss_nothing_and_end_in_time() {
    let server = Server::start(&[]);
    let stream = Stream {
        acknowledged: AtomicU64::new(0),
        begun: AtomicU64::new(0),
        over: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        scope.spawn(|| stream.run(&server, "a"));
        let clients = (0..6).map(|_| scope.spawn(|| toggle(&server, &stream, 40)));
        let clients: Vec<_> = clients.collect();
        let outcomes: Vec<_> = clients.into_iter().map(ScopedJoinHandle::join).collect();
        stream.over.store(true, Ordering::SeqCst);
        for outcome in outcomes {
            outcome.expect("the guarantees hold");
        }
    });
    assert!(stream.acknowledged.load(Ordering::SeqCst) > 0);
}
