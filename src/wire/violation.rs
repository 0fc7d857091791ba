//! Violations of RFC 6455, RFC 7692 or the server's limits by a client. Used on every shard
//! thread.

/// The rule that a client violated. A violation fails the connection (RFC 6455, section 7.1.7).
///
/// `Display` is the reason text of the close frame. It names the fault in words that help the
/// author of the client to correct it.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolViolation {
    #[error("reserved header bits are set where no extension was negotiated for them")]
    ReservedBits,
    #[error("the frame has a reserved opcode")]
    ReservedOpcode,
    #[error("client frames must be masked")]
    UnmaskedFrame,
    #[error("the payload length has its most significant bit set")]
    LengthTooLarge,
    #[error("the payload length is not encoded in the fewest bytes")]
    LengthNotMinimal,
    #[error("control frames must not be fragmented")]
    FragmentedControl,
    #[error("control frames carry at most 125 bytes")]
    ControlTooLong,
    #[error("continuation frame without a message to continue")]
    UnexpectedContinuation,
    #[error("new message before the fragmented one ended")]
    ExpectedContinuation,
    #[error("the message has too many fragments")]
    TooManyFragments,
    #[error("the message is larger than this server accepts")]
    MessageTooBig,
    #[error("the compressed message does not inflate by itself; ?deflate=0 turns compression off")]
    InvalidDeflate,
    #[error("the compressed message has too many blocks for its size")]
    TooManyBlocks,
    #[error("the text message is not valid UTF-8")]
    InvalidUtf8,
    #[error("a close frame's payload starts with a two byte status code")]
    InvalidClosePayload,
    #[error("the close frame has a status code that must not be sent")]
    InvalidCloseCode,
    #[error("the close frame's reason is not valid UTF-8")]
    CloseReasonNotUtf8,
}

impl ProtocolViolation {
    /// All violations, in the order in which metrics list them.
    pub const ALL: [Self; 17] = [
        Self::ReservedBits,
        Self::ReservedOpcode,
        Self::UnmaskedFrame,
        Self::LengthTooLarge,
        Self::LengthNotMinimal,
        Self::FragmentedControl,
        Self::ControlTooLong,
        Self::UnexpectedContinuation,
        Self::ExpectedContinuation,
        Self::TooManyFragments,
        Self::MessageTooBig,
        Self::InvalidDeflate,
        Self::TooManyBlocks,
        Self::InvalidUtf8,
        Self::InvalidClosePayload,
        Self::InvalidCloseCode,
        Self::CloseReasonNotUtf8,
    ];

    /// Returns the status code of the close frame (RFC 6455, section 7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            Self::InvalidDeflate | Self::InvalidUtf8 | Self::CloseReasonNotUtf8 => 1007,
            Self::MessageTooBig | Self::TooManyFragments | Self::TooManyBlocks => 1009,
            _ => 1002,
        }
    }

    /// Returns the value of the `reason` label of metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReservedBits => "reserved_bits",
            Self::ReservedOpcode => "reserved_opcode",
            Self::UnmaskedFrame => "unmasked_frame",
            Self::LengthTooLarge => "length_too_large",
            Self::LengthNotMinimal => "length_not_minimal",
            Self::FragmentedControl => "fragmented_control",
            Self::ControlTooLong => "control_too_long",
            Self::UnexpectedContinuation => "unexpected_continuation",
            Self::ExpectedContinuation => "expected_continuation",
            Self::TooManyFragments => "too_many_fragments",
            Self::MessageTooBig => "message_too_big",
            Self::InvalidDeflate => "invalid_deflate",
            Self::TooManyBlocks => "too_many_blocks",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::InvalidClosePayload => "invalid_close_payload",
            Self::InvalidCloseCode => "invalid_close_code",
            Self::CloseReasonNotUtf8 => "close_reason_not_utf8",
        }
    }
}
