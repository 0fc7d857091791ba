//! Asks the shards for their channels, one page after another. A page costs a shard little, and the
//! names are compared on this thread. Control thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use tokio::time;

use crate::fabric::{Fabric, ShardRequest};
use crate::hub::TopicPage;
use crate::limits::API_LISTED_CHANNELS;
use crate::protocol::codes::ClientError;

use super::answers::{ApiError, Channel};
use super::pattern::Pattern;

/// The receiver of a shard's page.
type Reply = oneshot::Receiver<TopicPage>;

/// Makes one list at a time.
pub(super) struct ChannelLister {
    fabric: Arc<Fabric>,
    /// How long a list waits for one page of a shard. Also how long it waits for an earlier list.
    timeout: Duration,
    /// The outstanding reply of each shard. A shard with an outstanding reply gets no further
    /// request, so that requests to a shard that has stopped do not fill its queue.
    outstanding: Mutex<Vec<Option<Reply>>>,
}

/// Why there is no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ListError {
    #[error("others are listing channels; try again")]
    Busy,
    #[error("shard {shard} did not answer in time; try again")]
    Silent { shard: usize },
    #[error("more than {API_LISTED_CHANNELS} channels match; give a `pattern` that fewer match")]
    TooMany,
}

impl From<ListError> for ApiError {
    fn from(error: ListError) -> Self {
        let kind = match error {
            ListError::Busy => ClientError::TooManyRequests,
            ListError::Silent { .. } => ClientError::Internal,
            ListError::TooMany => ClientError::LimitExceeded,
        };
        Self::new(kind, error.to_string())
    }
}

impl ChannelLister {
    pub(super) fn new(fabric: Arc<Fabric>, timeout: Duration) -> Self {
        let outstanding = fabric.shards.iter().map(|_| None).collect();
        Self {
            fabric,
            timeout,
            outstanding: Mutex::new(outstanding),
        }
    }

    /// Returns the channels that match, with their clients on all shards. A channel that clients
    /// subscribe to or leave meanwhile may be left out or have another number.
    pub(super) async fn list(
        &self,
        pattern: &Pattern,
    ) -> Result<BTreeMap<String, Channel>, ListError> {
        let locked = time::timeout(self.timeout, self.outstanding.lock()).await;
        let mut outstanding = locked.map_err(|_| ListError::Busy)?;
        let mut found = BTreeMap::<String, Channel>::new();
        for (shard, reply) in outstanding.iter_mut().enumerate() {
            let mut next = Some(0);
            while let Some(from) = next {
                let page = self.page(shard, from, reply).await?;
                next = page.next;
                for (name, clients) in page.topics {
                    if pattern.matches(&name) {
                        found.entry(name).or_default().num_clients += clients;
                    }
                }
                if found.len() > API_LISTED_CHANNELS {
                    return Err(ListError::TooMany);
                }
            }
        }
        Ok(found)
    }

    /// Asks a shard for one page. A shard that has ended has an empty last page.
    async fn page(
        &self,
        shard: usize,
        from: usize,
        outstanding: &mut Option<Reply>,
    ) -> Result<TopicPage, ListError> {
        let silent = ListError::Silent { shard };
        if let Some(earlier) = outstanding {
            // The page of a list that was given up. It is discarded.
            let _ = time::timeout(self.timeout, earlier)
                .await
                .map_err(|_| silent)?;
        }
        let (reply, receiver) = oneshot::channel();
        let request = ShardRequest::ListTopics { from, reply };
        *outstanding = None;
        let requested = self.fabric.shards[shard].lane.request(request);
        requested.map_err(|_| silent)?;
        let receiver = outstanding.insert(receiver);
        let page = time::timeout(self.timeout, receiver).await;
        let page = page.map_err(|_| silent)?;
        *outstanding = None;
        Ok(page.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::thread;

    use crate::fabric::Wake;

    use super::*;

    /// Returns a lister of two shards without a thread.
    fn lister(timeout_ms: u64) -> Arc<ChannelLister> {
        let wake = || {
            let null = OpenOptions::new().write(true).open("/dev/null");
            Wake::new(null.unwrap())
        };
        let fabric = Fabric::new(vec![wake(), wake()], wake(), 10);
        let timeout = Duration::from_millis(timeout_ms);
        Arc::new(ChannelLister::new(Arc::new(fabric), timeout))
    }

    fn list(lister: &ChannelLister, pattern: &str) -> Result<Vec<(String, u64)>, ListError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let pattern = Pattern::parse(pattern).unwrap();
        let found = runtime.unwrap().block_on(lister.list(&pattern))?;
        let found = found.into_iter();
        Ok(found.map(|(name, it)| (name, it.num_clients)).collect())
    }

    /// Waits for a request to a shard. Returns the place that it asks for, and the sender.
    fn take(lister: &ChannelLister, shard: usize) -> (usize, oneshot::Sender<TopicPage>) {
        loop {
            match lister.fabric.shards[shard].lane.pop_request() {
                Some(ShardRequest::ListTopics { from, reply }) => return (from, reply),
                Some(other) => panic!("not a list: {other:?}"),
                None => thread::yield_now(),
            }
        }
    }

    fn page(names: &[&str], next: Option<usize>) -> TopicPage {
        let topics = names.iter().map(|name| ((*name).to_owned(), 2)).collect();
        TopicPage { topics, next }
    }

    /// Answers like shards, in this order.
    fn answer(
        lister: &Arc<ChannelLister>,
        pages: Vec<(usize, usize, TopicPage)>,
    ) -> thread::JoinHandle<()> {
        let lister = Arc::clone(lister);
        thread::spawn(move || {
            for (shard, expected, page) in pages {
                let (from, reply) = take(&lister, shard);
                assert_eq!(from, expected);
                reply.send(page).expect("the list waits");
            }
        })
    }

    #[test]
    fn the_clients_of_all_pages_and_shards_are_added() {
        let lister = lister(10_000);
        for (pattern, expected) in [
            ("", &[("a", 4), ("b", 2), ("c:1", 2)][..]),
            ("c:*", &[("c:1", 2)][..]),
            ("d", &[][..]),
        ] {
            let shards = answer(
                &lister,
                vec![
                    (0, 0, page(&["a"], Some(7))),
                    (0, 7, page(&["b"], None)),
                    (1, 0, page(&["c:1", "a"], None)),
                ],
            );
            let found = list(&lister, pattern).unwrap();
            let found: Vec<_> = found.iter().map(|(name, it)| (&**name, *it)).collect();
            assert_eq!(found, expected);
            shards.join().unwrap();
        }
    }

    #[test]
    fn a_silent_shard_gets_one_request_and_is_asked_again_when_it_has_replied() {
        let lister = lister(20);
        let silent = Err(ListError::Silent { shard: 0 });
        assert_eq!(list(&lister, ""), silent);
        assert_eq!(list(&lister, ""), silent);
        let (_, late) = take(&lister, 0);
        assert!(lister.fabric.shards[0].lane.pop_request().is_none());
        late.send(page(&["old"], None)).expect("the list waits");
        let ended = {
            let lister = Arc::clone(&lister);
            thread::spawn(move || {
                take(&lister, 0).1.send(page(&["new"], None)).unwrap();
                drop(take(&lister, 1)); // The shard has ended.
            })
        };
        // A slow machine may need several attempts.
        let found = (0..500).find_map(|_| list(&lister, "").ok());
        assert_eq!(found, Some(vec![("new".to_owned(), 2)]));
        ended.join().unwrap();
    }

    #[test]
    fn too_many_channels_are_an_error() {
        let lister = lister(10_000);
        let names: Vec<_> = (0..=API_LISTED_CHANNELS).map(|it| it.to_string()).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let shards = answer(&lister, vec![(0, 0, page(&names, None))]);
        assert_eq!(list(&lister, ""), Err(ListError::TooMany));
        shards.join().unwrap();
    }
}
