//! Differential test: tungstenite's `WebSocketContext` reads the same stream as a server.
//!
//! Intended differences. The decoder is stricter in all of them but the last:
//! - Lengths in more bytes than necessary: tungstenite accepts them.
//! - The number of fragments: tungstenite has no limit.
//! - A status code that must not be sent: tungstenite replaces it by 1002 instead of failing.
//! - An invalid header or invalid text: the decoder fails at once, tungstenite at the end of the
//!   frame. The test therefore passes the rest of the frame to tungstenite before it compares.
//! - Status code 1014, which was registered with IANA after the RFC: the decoder accepts it.

use std::io::{self, Read, Write};

use fanfare::wire::ProtocolViolation;
use proptest::collection::vec;
use proptest::prelude::*;
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::{Message, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, protocol::frame::coding::CloseCode};

use crate::chunking::{fragmented_message, frames};
use crate::support::*;

/// A stream that returns the received bytes and then `WouldBlock`. Written bytes are discarded.
struct Arrived<'a>(&'a [u8]);

impl Read for Arrived<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.0.read(out) {
            Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
            read => read,
        }
    }
}

impl Write for Arrived<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the events that tungstenite reads, and the protocol error that stops it, if any.
fn tungstenite_reads(stream: &[u8]) -> (Vec<Owned>, Option<Error>) {
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let mut context = WebSocketContext::new(Role::Server, Some(config));
    let mut stream = Arrived(stream);
    let mut events = Vec::new();
    loop {
        match context.read(&mut stream) {
            Ok(Message::Text(text)) => events.push(Owned::Text(text.to_string())),
            Ok(Message::Binary(bytes)) => events.push(Owned::Binary(bytes.to_vec())),
            Ok(Message::Ping(bytes)) => events.push(Owned::Ping(bytes.to_vec())),
            Ok(Message::Pong(bytes)) => events.push(Owned::Pong(bytes.to_vec())),
            Ok(Message::Close(None)) => events.push(Owned::Close(None, String::new())),
            Ok(Message::Close(Some(close))) => {
                if close.code == CloseCode::Protocol && close.reason == "Protocol violation" {
                    return (
                        events,
                        Some(Error::Protocol(ProtocolError::InvalidCloseSequence)),
                    );
                }
                events.push(Owned::Close(
                    Some(close.code.into()),
                    close.reason.to_string(),
                ));
            }
            Ok(Message::Frame(frame)) => panic!("a read gives no raw frame: {frame}"),
            Err(Error::ConnectionClosed) => return (events, None),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (events, None);
            }
            Err(error) => return (events, Some(error)),
        }
    }
}

fn assert_agreement(stream: &[u8]) -> Result<(), TestCaseError> {
    let ours = decode(stream);
    let is_bad_gateway = |event: &Owned| matches!(event, Owned::Close(Some(1014), _));
    match ours.violation {
        Some(ProtocolViolation::LengthNotMinimal | ProtocolViolation::TooManyFragments) => {
            let (theirs, _) = tungstenite_reads(stream);
            prop_assert!(theirs.starts_with(&ours.events));
        }
        Some(violation) => {
            let rest_of_the_frame = [0; 2 * MAX_MESSAGE];
            let (theirs, error) = tungstenite_reads(&[stream, &rest_of_the_frame].concat());
            prop_assert_eq!(theirs, ours.events);
            prop_assert!(
                error.is_some(),
                "tungstenite accepts what fails with {:?}",
                violation
            );
        }
        None if ours.events.last().is_some_and(is_bad_gateway) => {
            let (theirs, error) = tungstenite_reads(stream);
            prop_assert_eq!(&theirs[..], &ours.events[..ours.events.len() - 1]);
            prop_assert!(error.is_some());
        }
        None => {
            let (theirs, error) = tungstenite_reads(stream);
            prop_assert_eq!(theirs, ours.events);
            prop_assert!(error.is_none(), "tungstenite refuses: {:?}", error);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn tungstenite_agrees_on_frames(stream in frames()) {
        assert_agreement(&stream)?;
    }

    #[test]
    fn tungstenite_agrees_on_valid_messages(messages in vec(fragmented_message(), 1..5)) {
        let (streams, events): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
        let (theirs, error) = tungstenite_reads(&streams.concat());
        prop_assert!(error.is_none());
        prop_assert_eq!(&theirs, &events);
        prop_assert_eq!(decode(&streams.concat()).events, events);
    }

    #[test]
    fn tungstenite_agrees_on_damaged_frames(
        mut stream in frames(),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        end in any::<prop::sample::Index>(),
    ) {
        for (index, value) in flips {
            if !stream.is_empty() {
                let index = index.index(stream.len());
                stream[index] = value;
            }
        }
        stream.truncate(end.index(stream.len() + 1));
        assert_agreement(&stream)?;
    }
}

/// Compares the errors for each violation that tungstenite detects, too.
#[test]
fn tungstenite_reports_the_same_violation() {
    use ProtocolError as P;
    let cases = [
        (
            frame(FIN | RSV1 | TEXT, b""),
            ProtocolViolation::ReservedBits,
            P::NonZeroReservedBits,
        ),
        (
            frame(FIN | 0x3, b""),
            ProtocolViolation::ReservedOpcode,
            P::InvalidOpcode(3),
        ),
        (
            vec![FIN | TEXT, 0],
            ProtocolViolation::UnmaskedFrame,
            P::UnmaskedFrameFromClient,
        ),
        (
            frame(PING, b""),
            ProtocolViolation::FragmentedControl,
            P::FragmentedControlFrame,
        ),
        (
            frame(FIN | PING, &[0; 126]),
            ProtocolViolation::ControlTooLong,
            P::ControlFrameTooBig,
        ),
        (
            frame(FIN | CONTINUATION, b""),
            ProtocolViolation::UnexpectedContinuation,
            P::UnexpectedContinueFrame,
        ),
        (
            [frame(TEXT, b""), frame(TEXT, b"")].concat(),
            ProtocolViolation::ExpectedContinuation,
            P::ExpectedFragment(tungstenite::protocol::frame::coding::Data::Text),
        ),
        (
            frame(FIN | CLOSE, b"\x03"),
            ProtocolViolation::InvalidClosePayload,
            P::InvalidCloseSequence,
        ),
    ];
    for (stream, violation, reason) in cases {
        assert_violation(&stream, violation);
        match tungstenite_reads(&stream) {
            (events, Some(Error::Protocol(theirs))) => {
                assert_eq!((events, theirs), (Vec::new(), reason));
            }
            (_, other) => panic!("{violation:?}: {other:?}"),
        }
    }
}

#[test]
fn tungstenite_has_the_same_message_limit_and_text_check() {
    let too_big = frame(FIN | TEXT, &[b'a'; MAX_MESSAGE + 1]);
    assert_violation(&too_big, ProtocolViolation::MessageTooBig);
    let (_, error) = tungstenite_reads(&too_big);
    assert!(matches!(
        error,
        Some(Error::Capacity(CapacityError::MessageTooLong { .. }))
    ));
    for (stream, violation) in [
        (frame(FIN | TEXT, b"\xff"), ProtocolViolation::InvalidUtf8),
        (
            frame(FIN | CLOSE, b"\x03\xe8\xff"),
            ProtocolViolation::CloseReasonNotUtf8,
        ),
    ] {
        assert_violation(&stream, violation);
        assert!(matches!(
            tungstenite_reads(&stream),
            (_, Some(Error::Utf8(_)))
        ));
    }
}
