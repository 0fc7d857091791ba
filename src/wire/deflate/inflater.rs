//! Decompression of the messages that clients send (RFC 7692, section 7.2.2). Runs on every shard
//! thread; a shard owns one [`Inflater`] for all of its connections.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::flush::FLUSH;
use crate::limits::{DEFLATE_KEPT_BYTES, INFLATE_BLOCK_BYTES, INFLATE_BLOCKS, INFLATE_START_BYTES};
use crate::wire::violation::ProtocolViolation;

/// The output buffer holds the whole message, so that blocks can refer to all of it. The
/// decompressor stops after each block, so that the number of blocks can be limited.
const FLAGS: u32 = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF
    | inflate_flags::TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY;

/// Inflates messages, each separately, into one buffer.
#[derive(Default)]
pub struct Inflater {
    /// Allocated for the first compressed message: 11 KiB.
    decompressor: Option<Box<DecompressorOxide>>,
    message: Vec<u8>,
}

impl Inflater {
    /// Inflates the payload of a compressed message.
    ///
    /// Fails if the message has more than `max_message_bytes`. The buffer never exceeds
    /// `max_message_bytes + 1`, whatever size the payload would inflate to.
    pub fn inflate(
        &mut self,
        payload: &[u8],
        max_message_bytes: usize,
    ) -> Result<&mut [u8], ProtocolViolation> {
        let Self {
            decompressor,
            message,
        } = self;
        let mut stream = Stream {
            decompressor: decompressor.get_or_insert_default(),
            message,
            written: 0,
            max_message_bytes,
            blocks_left: INFLATE_BLOCKS + payload.len() / INFLATE_BLOCK_BYTES,
        };
        stream.decompressor.init();
        // An empty payload is not a valid stream, but some clients send it for an empty message.
        if !payload.is_empty() {
            stream.inflate(payload)?;
        }
        let message_bytes = stream.written;
        Ok(&mut self.message[..message_bytes])
    }

    /// Frees the buffer if a large message made it grow. The caller calls this method when it has
    /// processed the message.
    pub fn trim(&mut self) {
        if self.message.len() > DEFLATE_KEPT_BYTES {
            self.message = Vec::new();
        }
    }

    /// Returns the capacity of the message buffer in bytes.
    pub fn held_bytes(&self) -> usize {
        self.message.capacity()
    }
}

/// Returns the longest payload, in bytes, that is accepted for a compressed message of at most
/// `max_message_bytes`. A message that does not compress becomes longer; zlib adds no more than
/// this, whatever its settings.
pub(in crate::wire) fn max_payload_bytes(max_message_bytes: usize) -> usize {
    max_message_bytes + max_message_bytes / 8 + max_message_bytes / 64 + 64
}

/// A message that is being inflated.
struct Stream<'a> {
    decompressor: &'a mut DecompressorOxide,
    message: &'a mut Vec<u8>,
    /// Bytes of `message` that are inflated.
    written: usize,
    max_message_bytes: usize,
    /// Blocks that the payload may still have. Each costs time, also an empty one.
    blocks_left: usize,
}

impl Stream<'_> {
    /// Inflates a payload, including the flush that its sender omitted.
    fn inflate(&mut self, mut payload: &[u8]) -> Result<(), ProtocolViolation> {
        loop {
            match self.inflate_until_final_block(payload)? {
                Progress::InputUsed => return self.inflate_flush(),
                Progress::FinalBlock { rest: [] } => return Ok(()),
                // More blocks may follow a block that is marked as the final one (section 7.2.3.4).
                Progress::FinalBlock { rest } => {
                    payload = rest;
                    self.decompressor.init();
                }
            }
        }
    }

    /// Inflates `input` up to its end, or up to the end of a block that is marked as the final one.
    fn inflate_until_final_block<'i>(
        &mut self,
        mut input: &'i [u8],
    ) -> Result<Progress<'i>, ProtocolViolation> {
        const MORE_FLAGS: u32 = FLAGS | inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
        loop {
            if self.written == self.message.len() {
                self.grow();
            }
            let (status, read, written) = decompress(
                self.decompressor,
                input,
                self.message,
                self.written,
                MORE_FLAGS,
            );
            input = &input[read..];
            self.written += written;
            if self.written > self.max_message_bytes {
                return Err(ProtocolViolation::MessageTooBig);
            }
            if matches!(status, TINFLStatus::BlockBoundary | TINFLStatus::Done) {
                self.blocks_left = self
                    .blocks_left
                    .checked_sub(1)
                    .ok_or(ProtocolViolation::TooManyBlocks)?;
            }
            match status {
                TINFLStatus::Done => return Ok(Progress::FinalBlock { rest: input }),
                TINFLStatus::NeedsMoreInput => return Ok(Progress::InputUsed),
                TINFLStatus::HasMoreOutput | TINFLStatus::BlockBoundary => {}
                _ => return Err(ProtocolViolation::InvalidDeflate),
            }
        }
    }

    /// Inflates the flush. After a complete payload, the flush is exactly one empty block. After a
    /// truncated payload, its bytes have another meaning, which must be rejected even if it is
    /// valid.
    fn inflate_flush(&mut self) -> Result<(), ProtocolViolation> {
        let (status, read, written) =
            decompress(self.decompressor, &FLUSH, self.message, self.written, FLAGS);
        let is_block = matches!(status, TINFLStatus::BlockBoundary | TINFLStatus::Done);
        if is_block && read == FLUSH.len() && written == 0 {
            return Ok(());
        }
        Err(ProtocolViolation::InvalidDeflate)
    }

    /// Doubles the buffer, up to one byte more than the longest permitted message. That byte shows
    /// that a message is too long.
    fn grow(&mut self) {
        let bytes = (2 * self.message.len()).max(INFLATE_START_BYTES);
        let bytes = bytes.min(self.max_message_bytes + 1);
        self.message.reserve_exact(bytes - self.message.len());
        self.message.resize(bytes, 0);
    }
}

/// The reason why inflating stopped.
enum Progress<'i> {
    /// All of the input is inflated.
    InputUsed,
    /// The final block of a stream ended. `rest` is the input after it.
    FinalBlock { rest: &'i [u8] },
}
