//! Messages of the server in the JSON codec of the Centrifugal client protocol, as far as
//! `fanfare subscribe` reads them.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One line of a message. An empty object is a ping.
#[derive(Deserialize)]
pub(super) struct Reply<'a> {
    /// The number of the command that this replies to.
    pub(super) id: Option<u32>,
    pub(super) error: Option<ReplyError>,
    pub(super) connect: Option<Connected>,
    #[serde(borrow)]
    pub(super) push: Option<Push<'a>>,
}

/// The reply to `connect`.
#[derive(Deserialize)]
pub(super) struct Connected {
    /// Interval of the server's pings in seconds; 0 if the server does not send pings.
    #[serde(default)]
    pub(super) ping: u64,
}

#[derive(Deserialize)]
pub(super) struct ReplyError {
    pub(super) code: u32,
    pub(super) message: String,
}

#[derive(Deserialize)]
pub(super) struct Push<'a> {
    #[serde(default)]
    pub(super) channel: String,
    #[serde(borrow, rename = "pub")]
    pub(super) publication: Option<Publication<'a>>,
    pub(super) disconnect: Option<Disconnect>,
}

#[derive(Deserialize)]
pub(super) struct Publication<'a> {
    #[serde(borrow)]
    pub(super) data: &'a RawValue,
}

#[derive(Deserialize)]
pub(super) struct Disconnect {
    pub(super) code: u16,
    #[serde(default)]
    pub(super) reason: String,
}
