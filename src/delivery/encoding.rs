//! The wire forms of a broadcast: a codec, with or without compression. Every core.

use crate::wire::deflate::DeflateWindow;

/// The format of the messages that a client receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// JSON pushes of the Centrifugal client protocol.
    Json,
    /// Protobuf pushes of the Centrifugal client protocol.
    Protobuf,
    /// Payloads without anything around them.
    Raw,
}

impl Codec {
    /// Every codec.
    pub const ALL: [Self; CODECS] = [Self::Json, Self::Protobuf, Self::Raw];
}

/// Number of codecs.
pub const CODECS: usize = 3;

/// One wire form of a broadcast: a codec, plain or compressed for a window size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    pub codec: Codec,
    /// The window of the compression; `None` if the encoding is not compressed.
    pub window: Option<DeflateWindow>,
}

/// Number of encodings.
pub const ENCODINGS: usize = 3 * CODECS;

impl Encoding {
    /// Every compressed encoding.
    pub const DEFLATED: [Self; 2 * CODECS] = [
        Self::deflated(Codec::Json, DeflateWindow::Narrow),
        Self::deflated(Codec::Json, DeflateWindow::Full),
        Self::deflated(Codec::Protobuf, DeflateWindow::Narrow),
        Self::deflated(Codec::Protobuf, DeflateWindow::Full),
        Self::deflated(Codec::Raw, DeflateWindow::Narrow),
        Self::deflated(Codec::Raw, DeflateWindow::Full),
    ];

    const fn deflated(codec: Codec, window: DeflateWindow) -> Self {
        Self {
            codec,
            window: Some(window),
        }
    }

    /// Returns the uncompressed encoding of a codec.
    pub fn plain(codec: Codec) -> Self {
        Self {
            codec,
            window: None,
        }
    }

    /// Returns whether the encoding is compressed.
    pub fn is_deflated(self) -> bool {
        self.window.is_some()
    }

    /// Returns the index of this encoding in an array of [`ENCODINGS`] elements.
    pub fn index(self) -> usize {
        match self.window {
            None => self.codec as usize,
            Some(window) => CODECS + Self::deflated_index(self.codec, window),
        }
    }

    /// Returns the index of a compressed encoding in an array of all compressed encodings.
    pub fn deflated_index(codec: Codec, window: DeflateWindow) -> usize {
        let window = match window {
            DeflateWindow::Narrow => 0,
            DeflateWindow::Full => 1,
        };
        window * CODECS + codec as usize
    }
}
