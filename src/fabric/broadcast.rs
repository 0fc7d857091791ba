//! Publications on their way to every shard: immutable, shared by reference, each encoding made at
//! most once for the process, on whichever core needs it first. Plain ones are made on the ingest
//! core, compressed ones on the first shard that has a subscriber for them.

use std::iter;
use std::sync::OnceLock;

use bytes::Bytes;

use crate::config::{Namespace, PayloadKind, SlowPolicy};
use crate::hub::{ENCODINGS, Encoding, Form, Outgoing};
use crate::protocol::push;
use crate::wire::Deflater;
use crate::wire::deflate::Window;
use crate::wire::encode::{self, Data};

/// What a topic's namespace says about its broadcasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    pub kind: PayloadKind,
    /// They may be compressed.
    pub deflates: bool,
    /// Publications that came together may share one.
    pub joins: bool,
}

impl From<&Namespace> for Rules {
    fn from(namespace: &Namespace) -> Self {
        Self {
            kind: namespace.payload,
            deflates: namespace.deflate,
            // Of a topic that conflates each publication must be able to go by itself.
            joins: namespace.slow != SlowPolicy::Conflate,
        }
    }
}

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
    rules: Rules,
    arrived_us: u64,
    frames: [OnceLock<Bytes>; ENCODINGS],
}

impl Broadcast {
    pub fn new(
        topic: &str,
        topic_hash: u64,
        payload: &[u8],
        rules: Rules,
        arrived_us: u64,
    ) -> Self {
        Self {
            topic: topic.into(),
            topic_hash,
            payloads: payload.to_vec(),
            later: Vec::new(),
            frame_bytes: push::publication_len_hint(topic, payload, rules.kind),
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
        let added = 1 + push::publication_len_hint(&self.topic, payload, self.rules.kind);
        if !self.rules.joins || self.frame_bytes + added > within {
            return false;
        }
        self.frame_bytes += added;
        self.later.push(self.payloads.len() as u32);
        self.payloads.extend_from_slice(payload);
        true
    }

    /// Makes the plain encoding of this form, before anybody waits for it.
    pub fn encode(&self, form: Form) {
        self.plain(form);
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

    fn plain(&self, form: Form) -> &Bytes {
        self.frames[Encoding::plain(form).index()].get_or_init(|| match form {
            Form::Json => self.push(),
            Form::Raw => {
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
                push::publication(out, topic, payload, kind);
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
    fn messages(&self, form: Form) -> (Data, impl Iterator<Item = &[u8]>) {
        let (data, joined) = match form {
            Form::Json => (Data::Text, Some(encode::payload(self.plain(form)))),
            Form::Raw => (self.raw_type(), None),
        };
        let single = self.payloads().filter(move |_| joined.is_none());
        (data, joined.into_iter().chain(single))
    }

    fn deflated(&self, form: Form, window: Window, deflater: &mut Deflater) -> Bytes {
        let plain = self.plain(form);
        let (data, messages) = self.messages(form);
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
}

impl Outgoing for Broadcast {
    fn topic(&self) -> &str {
        &self.topic
    }

    fn topic_hash(&self) -> u64 {
        self.topic_hash
    }

    fn frames(&self, encoding: Encoding, deflater: &mut Deflater) -> Bytes {
        let Encoding { form, window } = encoding;
        let Some(mut window) = window.filter(|_| self.rules.deflates) else {
            return self.plain(form).clone();
        };
        let (_, mut messages) = self.messages(form);
        if messages.all(|message| message.len() <= window.piece_bytes()) {
            window = Window::Full; // No message is as large as any window: all share one.
        }
        let encoding = Encoding {
            form,
            window: Some(window),
        };
        self.frames[encoding.index()]
            .get_or_init(|| self.deflated(form, window, deflater))
            .clone()
    }

    fn publications(&self) -> u32 {
        1 + self.later.len() as u32
    }

    fn arrived_us(&self) -> u64 {
        self.arrived_us
    }
}

/// What ingest drained in one go, in order of arrival; of one topic, that is.
#[derive(Debug)]
pub struct Batch {
    pub broadcasts: Vec<Broadcast>,
    /// Bytes it keeps alive.
    pub held_bytes: usize,
}
