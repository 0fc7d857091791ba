//! Inbound: the compressed payload of one message to the message (RFC 7692, section 7.2.2). Shard
//! cores; a shard owns one, whatever the number of its connections.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::FLUSH;
use crate::limits::{DEFLATE_KEPT_BYTES, INFLATE_START_BYTES};
use crate::wire::fault::Fault;

/// An empty block without compression that is the last one: the end, should a stream not have one.
const END: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];

/// Inflates messages, each by itself, into one buffer.
#[derive(Default)]
pub struct Inflater {
    /// Made when the first compressed message comes: 11 KiB.
    walker: Option<Box<DecompressorOxide>>,
    message: Vec<u8>,
}

impl Inflater {
    /// The message that the payload stands for. At most `max_message` bytes of it are made,
    /// whatever the payload claims.
    pub fn inflate(&mut self, payload: &[u8], max_message: usize) -> Result<&mut [u8], Fault> {
        let Self { walker, message } = self;
        let mut stream = Stream {
            walker: walker.get_or_insert_default(),
            message,
            written: 0,
            max_message,
        };
        stream.walker.init();
        // No payload at all is no valid stream; some clients mean an empty message by it.
        if !payload.is_empty() {
            stream.blocks(payload)?;
        }
        let bytes = stream.written;
        Ok(&mut self.message[..bytes])
    }

    /// Gives back what a large message needed. To be called when the message is dealt with.
    pub fn trim(&mut self) {
        if self.message.len() > DEFLATE_KEPT_BYTES {
            self.message = Vec::new();
        }
    }
}

/// One message on its way.
struct Stream<'a> {
    walker: &'a mut DecompressorOxide,
    message: &'a mut Vec<u8>,
    written: usize,
    max_message: usize,
}

impl Stream<'_> {
    /// Inflates the blocks of a payload and the flush that its sender left out.
    fn blocks(&mut self, mut payload: &[u8]) -> Result<(), Fault> {
        while let Some(rest) = self.segment(payload, true)? {
            // A block was marked as the last one. More may follow all the same (section 7.2.3.4).
            if rest.is_empty() {
                return Ok(());
            }
            payload = rest;
            self.walker.init();
        }
        let mut tail = [0; FLUSH.len() + END.len()];
        tail[..FLUSH.len()].copy_from_slice(&FLUSH);
        tail[FLUSH.len()..].copy_from_slice(&END);
        // What does not end in a flush is cut off.
        let ended = self.segment(&tail, false)?;
        ended.map(|_| ()).ok_or(Fault::InvalidDeflate)
    }

    /// Inflates input until it is used up, or until a last block: then what is left of it.
    fn segment<'i>(
        &mut self,
        mut input: &'i [u8],
        more_follows: bool,
    ) -> Result<Option<&'i [u8]>, Fault> {
        let mut flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        if more_follows {
            flags |= inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
        }
        loop {
            if self.written == self.message.len() {
                self.grow();
            }
            let (status, took, gave) =
                decompress(self.walker, input, self.message, self.written, flags);
            input = &input[took..];
            self.written += gave;
            if self.written > self.max_message {
                return Err(Fault::MessageTooBig);
            }
            match status {
                TINFLStatus::Done => return Ok(Some(input)),
                TINFLStatus::NeedsMoreInput => return Ok(None),
                TINFLStatus::HasMoreOutput => {}
                _ => return Err(Fault::InvalidDeflate),
            }
        }
    }

    /// Twice the room, up to one byte more than a message may have: it is there to be noticed.
    fn grow(&mut self) {
        let room = (2 * self.message.len()).max(INFLATE_START_BYTES);
        self.message.resize(room.min(self.max_message + 1), 0);
    }
}
