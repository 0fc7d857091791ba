//! Checks the memory orderings of the lock-free structures with loom, which runs every interleaving
//! of a few threads and every value that a load may return.
//!
//! The files of these structures are compiled into this test once more, with the atomic types of
//! loom in the place of those of the standard library.

#![allow(unreachable_pub, dead_code)]

mod limits {
    //! Small bounds, because loom tracks every atomic.
    pub const INTEREST_BUCKETS: usize = 128;
}

mod observe {
    pub mod atomics {
        pub use loom::hint::spin_loop;
        pub use loom::sync::Mutex;
        pub use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
    }
}

#[path = "../src/fabric/interest.rs"]
mod interest;
#[path = "../src/fabric/newest.rs"]
mod newest;
#[path = "../src/observe/sequence_lock.rs"]
mod sequence_lock;
#[path = "../src/fabric/wake.rs"]
mod wake;

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::thread;

use interest::Interest;
use newest::{AppliedVersion, Newest};
use sequence_lock::SequenceLock;
use wake::Wake;

/// Returns a wake-up, and the stream from which its signals are read.
fn wake() -> (Arc<Wake>, UnixStream) {
    let (event, signals) = UnixStream::pair().expect("a socket pair");
    signals
        .set_nonblocking(true)
        .expect("a socket pair supports it");
    let wake = Wake::new(File::from(OwnedFd::from(event)));
    (Arc::new(wake), signals)
}

/// Takes the signals that were sent so far, and returns their number.
fn read_signals(mut signals: &UnixStream) -> usize {
    let mut bytes = [0; 64];
    signals.read(&mut bytes).map_or(0, |bytes| bytes / 8)
}

/// Stores work and wakes. The store is relaxed, because the wake-up itself must order the work.
fn work_and_wake(work: &AtomicU64, number: u64, wake: &Wake) {
    work.store(number, Ordering::Relaxed);
    wake.wake();
}

/// Runs one sleeping thread against `count` threads that wake it.
fn sleep_against(count: usize) {
    loom::model(move || {
        let (wake, signals) = wake();
        let work: Vec<_> = (0..count).map(|_| Arc::new(AtomicU64::new(0))).collect();
        let wakers: Vec<_> = work
            .iter()
            .map(|work| {
                let (wake, work) = (Arc::clone(&wake), Arc::clone(work));
                thread::spawn(move || work_and_wake(&work, 1, &wake))
            })
            .collect();
        wake.park();
        let found: u64 = work.iter().map(|work| work.load(Ordering::Relaxed)).sum();
        for waker in wakers {
            waker.join().expect("no assertion in this thread");
        }
        let signals = read_signals(&signals);
        assert!(
            found == count as u64 || signals > 0,
            "the thread misses work and is not signalled"
        );
        assert!(signals <= 1, "one sleep is signalled {signals} times");
    });
}

#[test]
fn a_sleeping_thread_is_signalled_or_finds_the_work() {
    sleep_against(1);
}

#[test]
fn several_threads_signal_a_sleeping_thread_once() {
    sleep_against(2);
}

#[test]
fn a_thread_that_sleeps_again_is_signalled_or_finds_the_work() {
    loom::model(|| {
        let (wake, signals) = wake();
        let work = Arc::new(AtomicU64::new(0));
        let waker = {
            let (wake, work) = (Arc::clone(&wake), Arc::clone(&work));
            thread::spawn(move || {
                work_and_wake(&work, 1, &wake);
                work_and_wake(&work, 2, &wake);
            })
        };
        wake.park();
        // Gives the other thread an opportunity to signal before the signals are taken.
        thread::yield_now();
        read_signals(&signals);
        wake.unpark();
        wake.park();
        let found = work.load(Ordering::Relaxed);
        waker.join().expect("no assertion in this thread");
        assert!(
            found == 2 || read_signals(&signals) > 0,
            "the second sleep misses work and is not signalled"
        );
    });
}

/// Lets the main thread write, because loom explores the loads of the other thread completely.
#[test]
fn a_reader_gets_the_values_of_one_write() {
    loom::model(|| {
        let shared = Arc::new((
            SequenceLock::default(),
            AtomicU64::new(0),
            AtomicU64::new(0),
        ));
        let read = |(lock, first, second): &(SequenceLock, AtomicU64, AtomicU64)| {
            lock.read(|| {
                let first = first.load(Ordering::Relaxed);
                (first, second.load(Ordering::Relaxed))
            })
        };
        let reader = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let values = read(&shared);
                assert_eq!(values.0, values.1, "a mixture of two turns");
            })
        };
        let (lock, first, second) = &*shared;
        lock.write(|| {
            first.store(1, Ordering::Relaxed);
            second.store(1, Ordering::Relaxed);
        });
        reader.join().expect("every copy is of one turn");
        assert_eq!(read(&shared), (1, 1), "the last turn");
    });
}

/// Applies the newest value, if it is not applied, and returns it. `before` is the value that the
/// thread had.
fn apply(newest: &Newest<u64>, applied: &AppliedVersion, before: u64) -> u64 {
    let mut value = before;
    newest.apply(applied, |newest| value = *newest);
    value
}

/// Publishes twice while another thread applies: each version belongs to its value, an older value
/// never follows a newer one, and the last value is the one that stays. The main thread publishes,
/// because loom explores the loads of the other thread completely.
#[test]
fn a_thread_applies_the_newest_value_with_its_version() {
    loom::model(|| {
        let shared = Arc::new((Newest::<u64>::default(), AppliedVersion::default()));
        let first = shared.0.version();
        let reader = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (newest, applied) = &*shared;
                let once = apply(newest, applied, first);
                assert_eq!(applied.get(), once, "the version of another value");
                let again = apply(newest, applied, once);
                assert!(again >= once, "an older value follows a newer one");
                again
            })
        };
        let (newest, applied) = &*shared;
        for value in [first + 1, first + 2] {
            newest.publish(value.into());
        }
        let before = reader.join().expect("every value has its version");
        assert_eq!(apply(newest, applied, before), first + 2);
        assert!(newest.is_applied(applied) && applied.get() == first + 2);
    });
}

/// Publishes a value and wakes a thread that goes to sleep: it finds the value or is signalled.
#[test]
fn a_sleeping_thread_does_not_miss_the_newest_value() {
    loom::model(|| {
        let (wake, signals) = wake();
        let newest = Arc::new(Newest::<u64>::default());
        let sleeper = {
            let (wake, newest) = (Arc::clone(&wake), Arc::clone(&newest));
            thread::spawn(move || {
                let applied = AppliedVersion::default();
                wake.park();
                apply(&newest, &applied, 0) == 7
            })
        };
        newest.publish(7.into());
        wake.wake();
        let is_applied = sleeper.join().expect("no assertion in this thread");
        assert!(
            is_applied || read_signals(&signals) > 0,
            "the thread sleeps without the newest value"
        );
    });
}

/// Subscribes a client, and publishes in another thread after the acknowledgement. The network
/// between the two orders the steps like a release and an acquire.
#[test]
fn a_publication_after_the_acknowledgement_finds_the_interest() {
    loom::model(|| {
        let hash = 77 << 57;
        let interest = Arc::new(Interest::default());
        let acknowledged = Arc::new(AtomicBool::new(false));
        let shard = {
            let (interest, acknowledged) = (Arc::clone(&interest), Arc::clone(&acknowledged));
            thread::spawn(move || {
                // Another topic in the same word comes and goes.
                interest.set(interest::bucket(78 << 57));
                interest.set(interest::bucket(hash));
                acknowledged.store(true, Ordering::Release);
                interest.clear(interest::bucket(78 << 57));
            })
        };
        if acknowledged.load(Ordering::Acquire) {
            assert!(
                interest.may_want(hash),
                "an acknowledged topic is not wanted"
            );
        }
        shard.join().expect("no assertion in this thread");
        assert!(interest.may_want(hash) && !interest.may_want(78 << 57));
    });
}
