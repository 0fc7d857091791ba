//! The topics of this shard and the number of their subscribers, one page per call, so that a
//! million topics do not delay a turn. Shard core.

use crate::limits::TOPIC_PAGE_ITEMS;
use crate::protocol::topic;

use super::Hub;

/// Some topics of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicPage {
    /// Names, and numbers of subscribers.
    pub topics: Vec<(String, u64)>,
    /// Where the next page begins; `None` after the last page.
    pub next: Option<usize>,
}

impl Hub {
    /// Returns the page that begins at `from`: 0, or the `next` of the page before. A topic that
    /// begins or ends between two calls may be left out, or be on two pages. The reserved topic is
    /// on no page.
    pub fn topic_page(&self, from: usize) -> TopicPage {
        let places = self.subscriptions.topic_places();
        let end = places.min(from.saturating_add(TOPIC_PAGE_ITEMS));
        let topics = (from..end)
            .filter_map(|place| self.subscriptions.topic_at(place))
            .filter(|(name, _)| *name != topic::RESERVED)
            .map(|(name, subscribers)| (name.to_owned(), subscribers as u64));
        TopicPage {
            topics: topics.collect(),
            next: (end < places).then_some(end),
        }
    }
}
