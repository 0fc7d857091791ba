//! The client that has sent a publication, as its subscribers see it. Every core.

/// The sender of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// `""` is the anonymous user.
    pub user: Box<str>,
    /// The id of the client.
    pub client: Box<str>,
    /// Information about the user, as JSON on one line.
    pub conn_info: Option<Box<[u8]>>,
    /// Information about the user in this topic, as JSON on one line.
    pub chan_info: Option<Box<[u8]>>,
}

impl ClientInfo {
    /// Returns the bytes of all parts.
    pub fn bytes(&self) -> usize {
        let length = |info: &Option<Box<[u8]>>| info.as_ref().map_or(0, |info| info.len());
        self.user.len() + self.client.len() + length(&self.conn_info) + length(&self.chan_info)
    }
}
