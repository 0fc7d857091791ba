//! Inbound: the compressed payload of one message to the message (RFC 7692, section 7.2.2). Shard
//! cores; a shard owns one, whatever the number of its connections.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::FLUSH;
use crate::limits::{DEFLATE_KEPT_BYTES, INFLATE_BLOCK_BYTES, INFLATE_BLOCKS, INFLATE_START_BYTES};
use crate::wire::violation::ProtocolViolation;

/// All of the message stays in front of what is written next, for blocks to refer to; and every
/// block is to be counted.
const FLAGS: u32 = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF
    | inflate_flags::TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY;

/// Inflates messages, each by itself, into one buffer.
#[derive(Default)]
pub struct Inflater {
    /// Made when the first compressed message comes: 11 KiB.
    walker: Option<Box<DecompressorOxide>>,
    message: Vec<u8>,
}

impl Inflater {
    /// The message that the payload stands for: at most `max_message` bytes. Of a longer one no
    /// more is made than there is room for already, whatever the payload claims.
    pub fn inflate(
        &mut self,
        payload: &[u8],
        max_message: usize,
    ) -> Result<&mut [u8], ProtocolViolation> {
        let Self { walker, message } = self;
        let mut stream = Stream {
            walker: walker.get_or_insert_default(),
            message,
            written: 0,
            max_message,
            blocks_left: INFLATE_BLOCKS + payload.len() / INFLATE_BLOCK_BYTES,
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

    /// Bytes of the buffer that messages are lent from.
    pub fn held_bytes(&self) -> usize {
        self.message.capacity()
    }
}

/// One message on its way.
struct Stream<'a> {
    walker: &'a mut DecompressorOxide,
    message: &'a mut Vec<u8>,
    written: usize,
    max_message: usize,
    blocks_left: usize,
}

impl Stream<'_> {
    /// Inflates the blocks of a payload, up to the flush that its sender left out.
    fn blocks(&mut self, mut payload: &[u8]) -> Result<(), ProtocolViolation> {
        while let Some(rest) = self.segment(payload)? {
            // A block was marked as the last one. More may follow all the same (section 7.2.3.4).
            if rest.is_empty() {
                return Ok(());
            }
            payload = rest;
            self.walker.init();
        }
        self.flush()
    }

    /// Inflates input until it is used up, or until a last block: then what is left of it.
    fn segment<'i>(&mut self, mut input: &'i [u8]) -> Result<Option<&'i [u8]>, ProtocolViolation> {
        const MORE_FLAGS: u32 = FLAGS | inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
        loop {
            if self.written == self.message.len() {
                self.grow();
            }
            let (status, took, gave) =
                decompress(self.walker, input, self.message, self.written, MORE_FLAGS);
            input = &input[took..];
            self.written += gave;
            if self.written > self.max_message {
                return Err(ProtocolViolation::MessageTooBig);
            }
            if matches!(status, TINFLStatus::BlockBoundary | TINFLStatus::Done) {
                self.blocks_left = self
                    .blocks_left
                    .checked_sub(1)
                    .ok_or(ProtocolViolation::TooManyBlocks)?;
            }
            match status {
                TINFLStatus::Done => return Ok(Some(input)),
                TINFLStatus::NeedsMoreInput => return Ok(None),
                TINFLStatus::HasMoreOutput | TINFLStatus::BlockBoundary => {}
                _ => return Err(ProtocolViolation::InvalidDeflate),
            }
        }
    }

    /// Puts the flush back. All of it ends one empty block; to a payload that was cut off it
    /// means something else, even if that happens to be valid.
    fn flush(&mut self) -> Result<(), ProtocolViolation> {
        let (status, took, gave) =
            decompress(self.walker, &FLUSH, self.message, self.written, FLAGS);
        let is_block = matches!(status, TINFLStatus::BlockBoundary | TINFLStatus::Done);
        if is_block && took == FLUSH.len() && gave == 0 {
            return Ok(());
        }
        Err(ProtocolViolation::InvalidDeflate)
    }

    /// Twice the room, up to one byte more than a message may have: it is there to be noticed.
    fn grow(&mut self) {
        let room = (2 * self.message.len()).max(INFLATE_START_BYTES);
        let room = room.min(self.max_message + 1);
        self.message.reserve_exact(room - self.message.len());
        self.message.resize(room, 0);
    }
}
