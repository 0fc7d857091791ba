//! Differential test: tungstenite's `WebSocketContext`, as a server, reads the same stream.
//!
//! Intended differences, all of them stricter but for the last:
//! - lengths in more bytes than needed: tungstenite accepts them;
//! - the number of fragments: tungstenite has no bound;
//! - a status code that must not be sent: tungstenite turns it into 1002 instead of failing;
//! - a wrong header or wrong text fails at once here, at the end of the frame in tungstenite:
//!   so it is given the rest of the frame before the verdicts are compared;
//! - status code 1014 (registered with IANA after the RFC) is accepted here.

use std::io::{self, Read, Write};

use fanfare::wire::ProtocolViolation;
use proptest::collection::vec;
use proptest::prelude::*;
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::{Message, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, protocol::frame::coding::CloseCode};

use crate::chunking::{fragmented_message, frames};
use crate::support::*;

/// Bytes that arrived, then nothing yet; what is written goes nowhere.
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

/// The events tungstenite reads, and the error that stops it, if it is one of the peer's.
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
    match ours.fault {
        Some(ProtocolViolation::LengthNotMinimal | ProtocolViolation::TooManyFragments) => {
            let (theirs, _) = tungstenite_reads(stream);
            prop_assert!(theirs.starts_with(&ours.events));
        }
        Some(fault) => {
            let rest_of_the_frame = [0; 2 * MAX_MESSAGE];
            let (theirs, error) = tungstenite_reads(&[stream, &rest_of_the_frame].concat());
            prop_assert_eq!(theirs, ours.events);
            prop_assert!(
                error.is_some(),
                "tungstenite accepts what fails with {:?}",
                fault
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
    fn tungstenite_agrees_on_right_messages(messages in vec(fragmented_message(), 1..5)) {
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

/// For every fault that both know, one stream and tungstenite's name for what is wrong.
#[test]
fn tungstenite_gives_the_same_reason() {
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
    for (stream, fault, reason) in cases {
        assert_fault(&stream, fault);
        match tungstenite_reads(&stream) {
            (events, Some(Error::Protocol(theirs))) => {
                assert_eq!((events, theirs), (Vec::new(), reason));
            }
            (_, other) => panic!("{fault:?}: {other:?}"),
        }
    }
}

#[test]
fn tungstenite_finds_the_same_limit_and_the_same_bad_text() {
    let too_big = frame(FIN | TEXT, &[b'a'; MAX_MESSAGE + 1]);
    assert_fault(&too_big, ProtocolViolation::MessageTooBig);
    let (_, error) = tungstenite_reads(&too_big);
    assert!(matches!(
        error,
        Some(Error::Capacity(CapacityError::MessageTooLong { .. }))
    ));
    for (stream, fault) in [
        (frame(FIN | TEXT, b"\xff"), ProtocolViolation::InvalidUtf8),
        (
            frame(FIN | CLOSE, b"\x03\xe8\xff"),
            ProtocolViolation::CloseReasonNotUtf8,
        ),
    ] {
        assert_fault(&stream, fault);
        assert!(matches!(
            tungstenite_reads(&stream),
            (_, Some(Error::Utf8(_)))
        ));
    }
}
