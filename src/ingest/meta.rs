//! The optional third part of a message: metadata about the publication. Ingest thread.

use serde::Deserialize;

use crate::fabric::Rejection;
use crate::limits::META_BYTES;

/// Metadata that a publisher may send with a publication. Other members are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Meta {
    /// Name of the publisher. Sequence numbers are tracked per name.
    #[serde(default)]
    pub id: Option<String>,
    /// Number of this message in the sequence of all messages of the publisher.
    #[serde(default)]
    pub seq: Option<u64>,
}

impl Meta {
    /// Parses the metadata part of a message.
    pub(super) fn parse(part: &[u8]) -> Result<Self, Rejection> {
        if part.len() > META_BYTES {
            return Err(Rejection::MetaTooLarge);
        }
        // The derived parser would also accept an array.
        if part.trim_ascii_start().first() != Some(&b'{') {
            return Err(Rejection::MetaNotObject);
        }
        serde_json::from_slice(part).map_err(|error| {
            if error.is_data() {
                Rejection::MetaInvalid
            } else {
                Rejection::MetaNotObject
            }
        })
    }

    /// Returns the metadata of a message that was rejected for another reason, if the metadata is
    /// valid.
    pub(super) fn of_rejected<P: AsRef<[u8]>>(parts: &[P]) -> Option<Self> {
        let [_, _, meta] = parts else { return None };
        Self::parse(meta.as_ref()).ok()
    }
}
