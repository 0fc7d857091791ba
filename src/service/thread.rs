//! The service thread: a tokio runtime for everything that talks to other systems and may be slow:
//! calls of hooks, fetches of key sets and the export to a statsd. It runs on the core of the
//! ingest thread. The watchdog, the admin port and signals are on the control thread, so that a
//! slow system does not delay them. No thread of the data path waits for the service thread.

use std::future;
use std::io;
use std::thread;

use crossbeam_channel::Receiver;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::fabric::ThreadGuard;
use crate::limits::{SERVICE_BLOCKING_THREADS, SERVICE_SHUTDOWN_TIMEOUT};
use crate::metrics::statsd::StatsdExporter;

use super::calls::ServiceCallHandler;

/// A running service thread.
pub(crate) struct ServiceThread {
    stop: oneshot::Sender<()>,
    /// Disconnected by the service thread when it has stopped; nothing is ever sent.
    stopped: Receiver<()>,
}

impl ServiceThread {
    /// Starts the thread on the cores of the calling thread.
    pub(crate) fn spawn(
        calls: Option<ServiceCallHandler>,
        statsd: Option<StatsdExporter>,
        guard: ThreadGuard,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            // Name resolution blocks; tokio runs it on threads of this name.
            .thread_name("service-block")
            .max_blocking_threads(SERVICE_BLOCKING_THREADS)
            .build()?;
        let (stop, stop_requested) = oneshot::channel();
        let (stopping, stopped) = crossbeam_channel::bounded(0);
        let thread = thread::Builder::new().name("service".into());
        thread.spawn(move || {
            guard.ready();
            run(runtime, calls, statsd, stop_requested);
            drop(stopping);
        })?;
        Ok(Self { stop, stopped })
    }

    /// Lets the thread send what is outstanding, and waits for its end, but at most
    /// [`SERVICE_SHUTDOWN_TIMEOUT`]. Call this after all other threads have ended, so that the last
    /// figures are complete.
    pub(crate) fn stop(self) {
        drop(self.stop);
        let _ = self.stopped.recv_timeout(SERVICE_SHUTDOWN_TIMEOUT);
    }
}

/// Runs all services until `stop` is dropped. Every question of a shard has an answer then.
fn run(
    runtime: Runtime,
    calls: Option<ServiceCallHandler>,
    statsd: Option<StatsdExporter>,
    stop: oneshot::Receiver<()>,
) {
    let mut calls = calls;
    runtime.block_on(async {
        let statsd = async {
            match statsd {
                Some(statsd) => statsd.run(stop).await,
                None => {
                    let _ = stop.await;
                }
            }
        };
        let calls = async {
            match &mut calls {
                Some(calls) => calls.run().await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            () = statsd => {}
            // It does not end: the channel of the questions is never disconnected.
            () = calls => {}
        }
    });
    // This drops the tasks, which answers their questions. A name resolution that is still running
    // must not delay the end.
    runtime.shutdown_background();
    if let Some(calls) = calls {
        calls.close();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::fabric::{ThreadEvent, ThreadMonitor, ThreadName};

    use super::*;

    #[test]
    fn the_thread_reports_its_start_and_its_end() {
        let threads = ThreadMonitor::default();
        let service = ServiceThread::spawn(None, None, threads.guard(ThreadName::Service)).unwrap();
        let name = ThreadName::Service;
        let limit = Duration::from_secs(10);
        assert_eq!(
            threads.events.recv_timeout(limit),
            Ok(ThreadEvent::Ready(name))
        );
        assert!(threads.events.is_empty(), "the thread is running");
        let began = Instant::now();
        service.stop();
        assert!(
            began.elapsed() < SERVICE_SHUTDOWN_TIMEOUT,
            "the thread stops at once"
        );
        assert_eq!(
            threads.events.recv_timeout(limit),
            Ok(ThreadEvent::Ended(name))
        );
    }
}
