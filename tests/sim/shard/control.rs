//! The requests of the simulated control thread, and the checks of their results.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use fanfare::fabric::ShardRequest;
use fanfare::hub::{DrainScope, SlowConnection};
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::connection::ServerEnd;
use super::descriptors::Target;
use super::world::World;
use crate::behaviour;
use crate::client::{Client, Kind};

impl World {
    /// Puts a random request on the lane.
    pub fn request(&mut self) {
        let request = match self.random.u32(..10) {
            0..4 => {
                behaviour::change_config(&mut self.config, &mut self.random);
                self.note(|| "publishes a configuration".into());
                return self.fabric.publish_config(Arc::new(self.config.clone()));
            }
            4..7 => {
                let (reply, receiver) = oneshot::channel();
                self.surveys.push(receiver);
                let limit = self.random.usize(1..5);
                ShardRequest::Survey { limit, reply }
            }
            7 => {
                let count = self.random.u64(..5);
                let period_us = self.random.u64(..3_000_000);
                let scope = DrainScope::Count(count);
                ShardRequest::Drain { scope, period_us }
            }
            _ => return self.connect_internally(),
        };
        self.note(|| format!("{request:?}").chars().take(60).collect());
        let _ = self.fabric.shards[0].lane.request(request);
    }

    /// Opens a connection from inside the process, and passes its other end to the shard.
    fn connect_internally(&mut self) {
        let count = self.peers.values().filter(|it| it.is_internal).count();
        if count > 2 || self.kernel.descriptors.is_full() {
            return;
        }
        let client = Client::new(Kind::Json, &[], "");
        let key = self.add_peer(client, true);
        let target = Target::Connection(key);
        let number = self.kernel.descriptors.open_beyond_limit(target);
        self.kernel.connection(key).server = ServerEnd::Open;
        // The request contains a real descriptor, which identifies the simulated connection.
        let (stream, _) = UnixStream::pair().expect("the process can open a socket pair");
        let stream = OwnedFd::from(stream);
        self.internal.insert(stream.as_raw_fd(), number);
        self.kernel.coverage.internal += 1;
        let request = ShardRequest::AcceptInternal(stream);
        assert!(
            self.fabric.shards[0].lane.request(request).is_ok(),
            "the lane has no room for the request"
        );
        self.note(|| format!("{key}: connects internally"));
    }

    /// Checks the results of the surveys that are complete.
    pub fn check_surveys(&mut self) {
        let coverage = &mut self.kernel.coverage;
        self.surveys.retain_mut(|survey| match survey.try_recv() {
            Ok(found) => {
                let order =
                    |pair: &[SlowConnection]| pair[0].pending_bytes >= pair[1].pending_bytes;
                assert!(found.windows(2).all(order), "{found:?}");
                assert!(found.iter().all(|it| it.pending_bytes > 0), "{found:?}");
                coverage.surveys += 1;
                false
            }
            Err(error) => {
                assert_eq!(
                    error,
                    TryRecvError::Empty,
                    "a survey ended without a result"
                );
                true
            }
        });
    }

    /// Returns the number of internal connections that the shard has accepted and not closed.
    pub fn internal_connections(&self) -> usize {
        let is_open = |key| self.kernel.connections[key].server == ServerEnd::Open;
        let internal = self.peers.iter().filter(|(_, peer)| peer.is_internal);
        internal.filter(|(key, _)| is_open(key)).count() - self.internal.len()
    }
}
