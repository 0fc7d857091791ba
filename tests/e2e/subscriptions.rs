//! The guarantees of the replies to subscribe and unsubscribe, while publications arrive.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use serde_json::Value;

use crate::client::ProtocolClient;
use crate::publisher::Publisher;
use crate::server::Server;

/// A stream of publications 0, 1, 2 and so on. Ingest acknowledges each before the next is sent.
struct NumberStream {
    /// Numbers below this one are acknowledged.
    acknowledged: AtomicU64,
    /// Numbers below this one may have been sent.
    started: AtomicU64,
    stop: AtomicBool,
}

impl NumberStream {
    /// Publishes to a topic until `stop` is set.
    fn publish(&self, server: &Server, topic: &str) {
        let publisher = Publisher::with_req(server);
        while !self.stop.load(Ordering::SeqCst) {
            let number = self.started.fetch_add(1, Ordering::SeqCst);
            publisher.send_and_wait(topic, number.to_string());
            self.acknowledged.store(number + 1, Ordering::SeqCst);
        }
    }
}

/// Subscribes, reads publications and unsubscribes in each round, and checks the publications.
fn subscribe_repeatedly(server: &Server, stream: &NumberStream, rounds: usize) {
    let mut client = ProtocolClient::connect(server);
    for _ in 0..rounds {
        let mut check = SubscriptionCheck::subscribe(&mut client, stream);
        for _ in 0..6 {
            let number = client.next_publication().1;
            check.check_number(&number);
        }
        client.unsubscribe("a");
        while let Some((_, number)) = client.next_buffered() {
            check.check_number(&number);
        }
    }
    let late = client.next_publication_within(Duration::from_millis(100));
    assert_eq!(
        late, None,
        "no publication arrives after the unsubscribe reply"
    );
}

/// The check of the publications of one subscription.
struct SubscriptionCheck {
    /// The last number received.
    last: Option<u64>,
    /// The first number that was certainly sent after the subscribe reply arrived.
    guaranteed: u64,
}

impl SubscriptionCheck {
    #[track_caller]
    fn subscribe(client: &mut ProtocolClient, stream: &NumberStream) -> Self {
        client.subscribe("a");
        let guaranteed = stream.started.load(Ordering::SeqCst);
        Self {
            last: None,
            guaranteed,
        }
    }

    /// Asserts that no number from `guaranteed` on is missing, and that no number arrives twice.
    /// Numbers before `guaranteed` may be missing.
    #[track_caller]
    fn check_number(&mut self, number: &Value) {
        let number = number.as_u64().expect("a number was published");
        let least = self.last.map_or(0, |last| last + 1);
        let most = least.max(self.guaranteed);
        assert!((least..=most).contains(&number), "{least} {number} {most}");
        self.last = Some(number);
    }
}

#[test]
fn no_publication_is_missing_after_subscribe_or_late_after_unsubscribe() {
    let server = Server::start(&[]);
    let stream = NumberStream {
        acknowledged: AtomicU64::new(0),
        started: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        scope.spawn(|| stream.publish(&server, "a"));
        let clients = (0..6).map(|_| scope.spawn(|| subscribe_repeatedly(&server, &stream, 40)));
        let clients: Vec<_> = clients.collect();
        let outcomes: Vec<_> = clients.into_iter().map(ScopedJoinHandle::join).collect();
        stream.stop.store(true, Ordering::SeqCst);
        for outcome in outcomes {
            outcome.expect("the client received what is guaranteed");
        }
    });
    assert!(stream.acknowledged.load(Ordering::SeqCst) > 0);
}
