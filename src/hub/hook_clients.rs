//! Clients of hooks of the back end: their headers, and what hooks have stated. Shard core.
//!
//! Only connections with something to keep have an entry, so that others cost no memory.

use foldhash::{HashMap, HashMapExt};

use super::connection_id::ConnectionId;
use super::identities::Expired;
use super::pending::Ticket;

/// Names and values of headers.
pub(super) type Headers = Vec<(Box<str>, Box<str>)>;

/// The client of one connection.
#[derive(Debug, Default)]
struct HookClient {
    /// The headers of the handshake that calls of hooks have too.
    headers: Headers,
    /// The value that the connect hook has stated for other hooks, as JSON.
    meta: Option<Box<[u8]>>,
    /// The grants of hooks that the server extends itself: the connection, and topics.
    extended: Vec<Expired>,
    /// The calls that are under way about what has expired.
    calls: Vec<(Ticket, Expired)>,
}

impl HookClient {
    fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.meta.is_none() && self.extended.is_empty()
    }
}

/// The clients of one shard.
#[derive(Debug, Default)]
pub(super) struct HookClients {
    by_connection: HashMap<ConnectionId, Box<HookClient>>,
}

impl HookClients {
    /// Keeps the headers of a handshake.
    pub(super) fn set_headers(&mut self, id: ConnectionId, headers: Headers) {
        if !headers.is_empty() {
            self.entry(id).headers = headers;
        }
    }

    pub(super) fn headers(&self, id: ConnectionId) -> &[(Box<str>, Box<str>)] {
        self.get(id).map_or(&[], |client| &client.headers)
    }

    /// Keeps what a hook has stated for other hooks, unless it has stated nothing.
    pub(super) fn set_meta(&mut self, id: ConnectionId, meta: Option<Box<[u8]>>) {
        if meta.is_some() {
            self.entry(id).meta = meta;
        }
    }

    pub(super) fn meta(&self, id: ConnectionId) -> Option<&[u8]> {
        self.get(id)?.meta.as_deref()
    }

    /// Records that the server asks a hook when this expires.
    pub(super) fn extend(&mut self, id: ConnectionId, subject: Expired) {
        let client = self.entry(id);
        if !client.extended.contains(&subject) {
            client.extended.push(subject);
        }
    }

    /// Returns whether the server asks a hook when this expires.
    pub(super) fn is_extended(&self, id: ConnectionId, subject: &Expired) -> bool {
        self.get(id)
            .is_some_and(|client| client.extended.contains(subject))
    }

    /// Records the call about something that has expired. An earlier one is forgotten.
    pub(super) fn begin_call(&mut self, id: ConnectionId, ticket: Ticket, subject: Expired) {
        let client = self.entry(id);
        client.calls.retain(|(_, each)| *each != subject);
        client.calls.push((ticket, subject));
    }

    /// Ends a call. Returns what it was about; `None` if the call is forgotten.
    pub(super) fn end_call(&mut self, ticket: Ticket) -> Option<Expired> {
        let client = self.by_connection.get_mut(&ticket.connection())?;
        let mut calls = client.calls.iter();
        let index = calls.position(|(each, _)| *each == ticket)?;
        Some(client.calls.swap_remove(index).1)
    }

    /// Forgets a subscription that has ended, and the call about it.
    pub(super) fn forget_subscription(&mut self, id: ConnectionId, topic: &str) {
        let Some(client) = self.by_connection.get_mut(&id) else {
            return;
        };
        let is_other = |subject: &Expired| match subject {
            Expired::Subscription(name) => **name != *topic,
            Expired::Connection => true,
        };
        client.extended.retain(is_other);
        client.calls.retain(|(_, subject)| is_other(subject));
        if client.is_empty() {
            self.remove(id);
        }
    }

    /// Forgets a connection, which is closed.
    pub(super) fn remove(&mut self, id: ConnectionId) {
        if !self.by_connection.is_empty() && self.by_connection.remove(&id).is_some() {
            self.shrink();
        }
    }

    /// Returns the memory of a table that became empty.
    fn shrink(&mut self) {
        if self.by_connection.is_empty() {
            self.by_connection = HashMap::new();
        }
    }

    fn get(&self, id: ConnectionId) -> Option<&HookClient> {
        self.by_connection.get(&id).map(|client| &**client)
    }

    fn entry(&mut self, id: ConnectionId) -> &mut HookClient {
        self.by_connection.entry(id).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> ConnectionId {
        ConnectionId::from_bits(number)
    }

    fn topic(name: &str) -> Expired {
        Expired::Subscription(name.into())
    }

    #[test]
    fn a_client_with_nothing_to_keep_has_no_entry() {
        let mut clients = HookClients::default();
        clients.set_headers(id(1), Vec::new());
        clients.set_meta(id(1), None);
        clients.forget_subscription(id(1), "a");
        assert!(clients.by_connection.is_empty());
        clients.extend(id(1), topic("a"));
        clients.forget_subscription(id(1), "a");
        assert!(clients.by_connection.is_empty());
    }

    #[test]
    fn a_call_ends_once_and_not_after_its_subject_has_ended() {
        let mut clients = HookClients::default();
        let tickets = [1, 2, 3].map(|number| Ticket::of(id(1), number));
        clients.extend(id(1), Expired::Connection);
        clients.extend(id(1), topic("a"));
        clients.begin_call(id(1), tickets[0], Expired::Connection);
        clients.begin_call(id(1), tickets[1], topic("a"));
        assert_eq!(clients.end_call(tickets[0]), Some(Expired::Connection));
        assert_eq!(clients.end_call(tickets[0]), None);
        clients.forget_subscription(id(1), "a");
        assert!(!clients.is_extended(id(1), &topic("a")));
        assert_eq!(clients.end_call(tickets[1]), None);
        clients.begin_call(id(1), tickets[1], Expired::Connection);
        clients.begin_call(id(1), tickets[2], Expired::Connection);
        assert_eq!(
            clients.end_call(tickets[1]),
            None,
            "a later call replaces it"
        );
        clients.remove(id(1));
        assert_eq!(clients.end_call(tickets[2]), None);
    }
}
