//! Publications on their way to every shard: immutable, shared by reference, each encoding made at
//! most once for the process, on whichever core needs it first. Plain ones are made on the ingest
//! core, compressed ones on the first shard that has a subscriber for them.

use std::iter;
use std::sync::OnceLock;

use bytes::Bytes;

use crate::config::PayloadKind;
use crate::protocol::json::pushes;
use crate::wire::Deflater;
use crate::wire::deflate::DeflateWindow;
use crate::wire::encode::{self, Data};

use super::encoding::{Codec, ENCODINGS, Encoding};
use super::rules::NamespaceRules;

/// One accepted publication, or several of one topic that came together.
#[derive(Debug)]
pub struct Broadcast {
    topic: Box<str>,
    topic_hash: u64,
    /// The payloads, one after the other.
    payloads: Vec<u8>,
    /// Where each after the first begins.
    later: Vec<u32>,
    /// Bytes of the client protocol's frame, which is the largest, but for escapes in texts.
    frame_bytes: usize,
    rules: NamespaceRules,
    arrived_us: u64,
    frames: [OnceLock<Bytes>; ENCODINGS],
}

impl Broadcast {
    pub fn new(
        topic: &str,
        topic_hash: u64,
        payload: &[u8],
        rules: NamespaceRules,
        arrived_us: u64,
    ) -> Self {
        Self {
            topic: topic.into(),
            topic_hash,
            payloads: payload.to_vec(),
            later: Vec::new(),
            frame_bytes: pushes::publication_len_hint(topic, payload, rules.kind),
            rules,
            arrived_us,
            frames: Default::default(),
        }
    }

    /// Takes another publication of the topic in. False: their frame would pass `within` bytes.
    pub fn join(&mut self, payload: &[u8], within: usize) -> bool {
        debug_assert!(
            self.frames.iter().all(|frames| frames.get().is_none()),
            "it is not shared yet"
        );
        let added = 1 + pushes::publication_len_hint(&self.topic, payload, self.rules.kind);
        if !self.rules.joins || self.frame_bytes + added > within {
            return false;
        }
        self.frame_bytes += added;
        self.later.push(self.payloads.len() as u32);
        self.payloads.extend_from_slice(payload);
        true
    }

    /// Makes the plain encoding of this codec, before anybody waits for it.
    pub fn encode(&self, codec: Codec) {
        self.plain(codec);
    }

    /// Bytes it keeps alive while it waits on a lane, about.
    pub fn held_bytes(&self) -> usize {
        let frames = self.frames.iter().filter_map(OnceLock::get).map(Bytes::len);
        size_of::<Self>() + self.topic.len() + self.payloads.len() + frames.sum::<usize>()
    }

    fn payloads(&self) -> impl Iterator<Item = &[u8]> {
        let begins = self.later.iter().map(|begin| *begin as usize);
        let ends = begins.clone().chain([self.payloads.len()]);
        iter::once(0)
            .chain(begins)
            .zip(ends)
            .map(|(begin, end)| &self.payloads[begin..end])
    }

    fn plain(&self, codec: Codec) -> &Bytes {
        self.frames[Encoding::plain(codec).index()].get_or_init(|| match codec {
            Codec::Json => self.push(),
            Codec::Raw => {
                let headers = self
                    .payloads()
                    .map(|payload| encode::header_len(payload.len()));
                let mut out = Vec::with_capacity(headers.sum::<usize>() + self.payloads.len());
                for payload in self.payloads() {
                    encode::put_message(&mut out, self.raw_type(), payload);
                }
                out.into()
            }
        })
    }

    /// One frame of the client protocol, which joins messages with newlines.
    fn push(&self) -> Bytes {
        let (topic, kind) = (&*self.topic, self.rules.kind);
        encode::text_with(self.frame_bytes, |out| {
            for (number, payload) in self.payloads().enumerate() {
                if number > 0 {
                    out.push(b'\n');
                }
                pushes::publication(out, topic, payload, kind);
            }
        })
    }

    fn raw_type(&self) -> Data {
        match self.rules.kind {
            PayloadKind::Binary => Data::Binary,
            PayloadKind::Json | PayloadKind::Text => Data::Text,
        }
    }

    /// The messages as the client will see them, each in a frame of its own, and their type.
    fn messages(&self, codec: Codec) -> (Data, impl Iterator<Item = &[u8]>) {
        let (data, joined) = match codec {
            Codec::Json => (Data::Text, Some(encode::payload(self.plain(codec)))),
            Codec::Raw => (self.raw_type(), None),
        };
        let single = self.payloads().filter(move |_| joined.is_none());
        (data, joined.into_iter().chain(single))
    }

    fn deflated(&self, codec: Codec, window: DeflateWindow, deflater: &mut Deflater) -> Bytes {
        let plain = self.plain(codec);
        let (data, messages) = self.messages(codec);
        let mut out = Vec::with_capacity(plain.len());
        let mut is_smaller = false;
        for message in messages {
            if let Some(packed) = deflater.deflate(message, window) {
                encode::put_deflated(&mut out, data, packed);
                is_smaller = true;
            } else {
                encode::put_message(&mut out, data, message);
            }
        }
        deflater.trim();
        if !is_smaller {
            return plain.clone();
        }
        out.shrink_to_fit();
        out.into()
    }

    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Hash of the topic by the [`super::TopicHasher`] of this process.
    pub fn topic_hash(&self) -> u64 {
        self.topic_hash
    }

    /// WebSocket frames of this encoding. `deflater` is used if no core has compressed it yet.
    pub fn frames(&self, encoding: Encoding, deflater: &mut Deflater) -> Bytes {
        let Encoding { codec, window } = encoding;
        let Some(mut window) = window.filter(|_| self.rules.deflates) else {
            return self.plain(codec).clone();
        };
        let (_, mut messages) = self.messages(codec);
        if messages.all(|message| message.len() <= window.piece_bytes()) {
            window = DeflateWindow::Full; // No message is as large as any window: all share one.
        }
        let encoding = Encoding {
            codec,
            window: Some(window),
        };
        self.frames[encoding.index()]
            .get_or_init(|| self.deflated(codec, window, deflater))
            .clone()
    }

    /// Number of publications, at least one.
    pub fn publications(&self) -> u32 {
        1 + self.later.len() as u32
    }

    /// When the first publication arrived at the ingest thread.
    pub fn arrived_us(&self) -> u64 {
        self.arrived_us
    }
}
