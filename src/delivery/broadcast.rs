//! Publications on their way to every shard: immutable and shared by reference. Each encoding is
//! made at most once in the process, on the core that needs it first: plain encodings on the ingest
//! core, compressed encodings on the first shard that has a subscriber for them.

use std::iter;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::config::PayloadKind;
use crate::protocol::{ClientInfo, json, protobuf};
use crate::wire::Deflater;
use crate::wire::deflate::DeflateWindow;
use crate::wire::encode::{self, Data};

use super::encoding::{CODECS, Codec, Encoding};
use super::rules::NamespaceRules;

/// One accepted publication, or several of one topic that arrived together.
#[derive(Debug)]
pub struct Broadcast {
    topic: Box<str>,
    topic_hash: u64,
    /// The payloads of all publications, one after the other.
    payloads: Vec<u8>,
    /// The index in `payloads` at which each publication after the first begins.
    later_starts: Vec<u32>,
    /// The clients that have sent publications, with the numbers of the publications, ascending.
    /// Without an allocation if there are none.
    infos: Vec<(u32, Arc<ClientInfo>)>,
    /// Bytes of the JSON message without escapes in texts. The messages of other codecs are
    /// smaller.
    message_bytes: usize,
    rules: NamespaceRules,
    arrived_us: u64,
    plain: [OnceLock<Bytes>; CODECS],
    /// The compressed encodings. Allocated when the first of them is made, since most broadcasts
    /// have none.
    deflated: OnceLock<Box<[OnceLock<Bytes>; Encoding::DEFLATED.len()]>>,
}

/// Whether a publication was added to a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Joined {
    Added,
    /// The publication needs a broadcast of its own: the frame would be too large, or the rules of
    /// the namespace forbid joining.
    Refused,
}

impl Broadcast {
    /// Creates a broadcast of one publication. `info` is the client that has sent it, and
    /// `arrived_us` is when it arrived at the ingest thread.
    pub fn new(
        topic: &str,
        topic_hash: u64,
        payload: &[u8],
        info: Option<&Arc<ClientInfo>>,
        rules: NamespaceRules,
        arrived_us: u64,
    ) -> Self {
        let kind = rules.payload_kind;
        let sender = info.map(AsRef::as_ref);
        Self {
            topic: topic.into(),
            topic_hash,
            payloads: payload.to_vec(),
            later_starts: Vec::new(),
            infos: info.map(|info| (0, Arc::clone(info))).into_iter().collect(),
            message_bytes: json::pushes::publication_len_hint(topic, payload, kind, sender),
            rules,
            arrived_us,
            plain: Default::default(),
            deflated: OnceLock::new(),
        }
    }

    /// Adds another publication of the topic, if the frame of all of them stays within `max_bytes`.
    pub fn join(
        &mut self,
        payload: &[u8],
        info: Option<&Arc<ClientInfo>>,
        max_bytes: usize,
    ) -> Joined {
        debug_assert!(
            self.plain.iter().all(|frames| frames.get().is_none()),
            "a broadcast that is shared does not change"
        );
        let kind = self.rules.payload_kind;
        let sender = info.map(AsRef::as_ref);
        let added_bytes =
            1 + json::pushes::publication_len_hint(&self.topic, payload, kind, sender);
        if !self.rules.may_join || self.message_bytes + added_bytes > max_bytes {
            return Joined::Refused;
        }
        self.message_bytes += added_bytes;
        if let Some(info) = info {
            self.infos.push((self.publications(), Arc::clone(info)));
        }
        self.later_starts.push(self.payloads.len() as u32);
        self.payloads.extend_from_slice(payload);
        Joined::Added
    }

    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns the hash of the topic by the [`super::TopicHasher`] of this process.
    pub fn topic_hash(&self) -> u64 {
        self.topic_hash
    }

    /// Returns the number of publications, at least one.
    pub fn publications(&self) -> u32 {
        1 + self.later_starts.len() as u32
    }

    /// Returns when the first publication arrived at the ingest thread.
    pub fn arrived_us(&self) -> u64 {
        self.arrived_us
    }

    /// Returns about how many bytes the broadcast keeps allocated while it waits on a lane.
    pub fn held_bytes(&self) -> usize {
        let plain = self.plain.iter().filter_map(OnceLock::get);
        let encoded_bytes: usize = plain.map(Bytes::len).sum();
        let infos = self.infos.iter().map(|(_, info)| info.bytes());
        let info_bytes: usize = infos.sum();
        size_of::<Self>() + self.topic.len() + self.payloads.len() + info_bytes + encoded_bytes
    }

    /// Makes the plain encoding of a codec, so that no shard has to.
    pub fn encode(&self, codec: Codec) {
        self.plain(codec);
    }

    /// Returns the WebSocket frames of an encoding. `deflater` compresses them if no core has done
    /// it yet.
    pub fn frames(&self, encoding: Encoding, deflater: &mut Deflater) -> Bytes {
        let Encoding { codec, window } = encoding;
        let Some(mut window) = window.filter(|_| self.rules.may_deflate) else {
            return self.plain(codec).clone();
        };
        let (_, mut messages) = self.messages(codec);
        if messages.all(|message| message.len() <= window.piece_bytes()) {
            // Messages that fit into the smallest window are the same for every window.
            window = DeflateWindow::Full;
        }
        self.deflated.get_or_init(Box::default)[Encoding::deflated_index(codec, window)]
            .get_or_init(|| self.compress(codec, window, deflater))
            .clone()
    }

    /// Returns the payload of each publication.
    fn payloads(&self) -> impl Iterator<Item = &[u8]> {
        let later_starts = self.later_starts.iter().map(|start| *start as usize);
        let starts = iter::once(0).chain(later_starts.clone());
        let ends = later_starts.chain(iter::once(self.payloads.len()));
        starts
            .zip(ends)
            .map(|(start, end)| &self.payloads[start..end])
    }

    /// Returns the payload of each publication with the client that has sent it, if it is known.
    fn publications_with_senders(&self) -> impl Iterator<Item = (&[u8], Option<&ClientInfo>)> {
        let mut infos = self.infos.iter().peekable();
        self.payloads().zip(0..).map(move |(payload, number)| {
            let info = infos.next_if(|(of, _)| *of == number);
            (payload, info.map(|(_, info)| &**info))
        })
    }

    fn plain(&self, codec: Codec) -> &Bytes {
        self.plain[codec as usize].get_or_init(|| match codec {
            Codec::Json => self.json_frame(),
            Codec::Protobuf => self.protobuf_frame(),
            Codec::Raw => self.raw_frames(),
        })
    }

    /// Encodes all publications in one frame: the client protocol separates its messages by line
    /// ends.
    fn json_frame(&self) -> Bytes {
        let (topic, kind) = (&*self.topic, self.rules.payload_kind);
        encode::message_with(Data::Text, self.message_bytes, |out| {
            for (index, (payload, info)) in self.publications_with_senders().enumerate() {
                if index > 0 {
                    out.push(b'\n');
                }
                json::pushes::publication(out, topic, payload, kind, info);
            }
        })
    }

    /// Encodes all publications in one frame: each message has its length in front.
    fn protobuf_frame(&self) -> Bytes {
        let topic = &*self.topic;
        let message_bytes = self
            .publications_with_senders()
            .map(|(payload, info)| protobuf::pushes::publication_len(topic, payload, info))
            .sum();
        encode::message_with(Data::Binary, message_bytes, |out| {
            for (payload, info) in self.publications_with_senders() {
                protobuf::pushes::publication(out, topic, payload, info);
            }
        })
    }

    /// Encodes each publication in a frame of its own.
    fn raw_frames(&self) -> Bytes {
        let header_bytes: usize = self
            .payloads()
            .map(|payload| encode::header_len(payload.len()))
            .sum();
        let mut out = Vec::with_capacity(header_bytes + self.payloads.len());
        for payload in self.payloads() {
            encode::put_message(&mut out, self.raw_data(), payload);
        }
        out.into()
    }

    fn raw_data(&self) -> Data {
        match self.rules.payload_kind {
            PayloadKind::Binary => Data::Binary,
            PayloadKind::Json | PayloadKind::Text => Data::Text,
        }
    }

    /// Returns the messages of a codec and their type. Each message is one WebSocket frame.
    fn messages(&self, codec: Codec) -> (Data, impl Iterator<Item = &[u8]>) {
        let (data, joined) = match codec {
            Codec::Json => (Data::Text, Some(encode::payload(self.plain(codec)))),
            Codec::Protobuf => (Data::Binary, Some(encode::payload(self.plain(codec)))),
            Codec::Raw => (self.raw_data(), None),
        };
        let single = self.payloads().filter(move |_| joined.is_none());
        (data, joined.into_iter().chain(single))
    }

    /// Compresses each message that gets smaller by it.
    fn compress(&self, codec: Codec, window: DeflateWindow, deflater: &mut Deflater) -> Bytes {
        let plain = self.plain(codec);
        let (data, messages) = self.messages(codec);
        let mut out = Vec::with_capacity(plain.len());
        let mut is_smaller = false;
        for message in messages {
            if let Some(deflated) = deflater.deflate(message, window) {
                encode::put_deflated(&mut out, data, deflated);
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
