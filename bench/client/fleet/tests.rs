//! Tests of the fleet over a real socket. The server divides its stream at arbitrary bytes, and
//! loses, repeats or reorders publications.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use flate2::FlushCompress;

use crate::client::assignment::TopicAssignment;
use crate::client::connection::ConnectionPlan;
use crate::client::counts::FleetCounts;
use crate::client::fleet::Fleet;
use crate::client::inflate;
use crate::client::ledger::{DeliveryCounts, Ledger};
use crate::client::receiver::Receiver;
use crate::client::sink::{DeliverySink, Examination};
use crate::clock::Clock;
use crate::error::BenchError;
use crate::options::{CommonOptions, Protocol};
use crate::payload::{self, Stamp};
use crate::targets::context::RunContext;

const RSV1: u8 = 0x40;
const PAYLOAD: usize = 300;
const PUBLICATIONS: u32 = 2000;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    options: CommonOptions,
}

const AGREEMENT: &str = "Sec-WebSocket-Extensions: permessage-deflate; \
    server_no_context_takeover; client_no_context_takeover\r\n";

/// Answers one handshake, writes `bytes` in pieces of random length, and closes the connection.
fn serve(listener: &TcpListener, agreement: &str, bytes: &[u8]) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
    assert!(request.by_ref().any(|line| line.unwrap().is_empty()));
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{agreement}\r\n"
    );
    let whole = [head.as_bytes(), bytes].concat();
    write_in_pieces(&mut stream, &whole);
    // Closing a socket with unread data would reset the connection and lose sent data.
    stream.shutdown(Shutdown::Write).unwrap();
    io::copy(&mut stream, &mut io::sink()).unwrap();
}

fn write_in_pieces(stream: &mut TcpStream, mut bytes: &[u8]) {
    stream.set_nodelay(true).unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    while !bytes.is_empty() {
        let len = random.usize(1..2000).min(bytes.len());
        stream.write_all(&bytes[..len]).unwrap();
        bytes = &bytes[len..];
    }
}

/// Returns a publication in the form of the protocol.
fn message(protocol: Protocol, sequence: u32) -> Vec<u8> {
    let mut payload = payload::template(PAYLOAD);
    let stamp = Stamp {
        topic: 0,
        sequence,
        due_us: 1,
    };
    payload::stamp(&mut payload, stamp);
    if protocol == Protocol::Client {
        let channel = payload::topic_name(0);
        let before = format!(r#"{{"push":{{"channel":"{channel}","pub":{{"data":"#);
        payload = [before.as_bytes(), payload.as_slice(), b"}}}"].concat();
    }
    payload
}

/// Returns a text frame with additional bits in the first byte.
fn frame(bits: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x81 | bits];
    match payload.len() {
        len @ 0..126 => out.push(len as u8),
        len => {
            out.push(126);
            out.extend((len as u16).to_be_bytes());
        }
    }
    out.extend(payload);
    out
}

fn compressed(message: &[u8]) -> Vec<u8> {
    frame(RSV1, &inflate::tests::deflate(message, FlushCompress::Sync))
}

fn plain_frames(protocol: Protocol, sequences: &[u32]) -> Vec<u8> {
    let frame = |&sequence| frame(0, &message(protocol, sequence));
    sequences.iter().flat_map(frame).collect()
}

/// Sends these frames to a fleet of one connection. Returns the counts and the error that ended the
/// run.
fn run(
    protocol: Protocol,
    deflate: bool,
    agreement: &'static str,
    frames: &[u8],
) -> (DeliveryCounts, FleetCounts, Option<BenchError>) {
    let mut receiver = Receiver::new(Ledger::new(TopicAssignment::single_topic(1)));
    let (counts, error) = run_into(&mut receiver, protocol, deflate, agreement, frames);
    (receiver.ledger.counts, counts, error)
}

/// Does the same with any sink.
fn run_into(
    sink: &mut impl DeliverySink,
    protocol: Protocol,
    deflate: bool,
    agreement: &'static str,
    frames: &[u8],
) -> (FleetCounts, Option<BenchError>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let options = CommandLine::parse_from(["fanfare-bench", "--url", &url]).options;
    let context = RunContext::of_running_server(&options, &options.target).unwrap();
    let mut bytes = Vec::new();
    if protocol == Protocol::Client {
        for reply in [r#"{"id":1,"connect":{}}"#, r#"{"id":2,"subscribe":{}}"#] {
            bytes.extend(frame(0, reply.as_bytes()));
        }
    }
    bytes.extend(frames);
    let server = thread::spawn(move || serve(&listener, agreement, &bytes));

    let mut fleet = Fleet::new(&context, Clock::new(), PAYLOAD).unwrap();
    fleet.set_deflate(deflate);
    fleet.add(ConnectionPlan::new(protocol, vec![0]));
    let ended = |counts: &FleetCounts| counts.closed + counts.failed + counts.refused > 0;
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut error = None;
    while error.is_none() && !ended(&fleet.counts) && Instant::now() < deadline {
        error = fleet.poll(sink).err();
    }
    let counts = fleet.counts;
    assert!(ended(&counts), "the end of the stream was not detected");
    drop(fleet);
    server.join().unwrap();
    (counts, error)
}

/// Does the same with a connection that opens, and with a receiver.
fn received(protocol: Protocol, deflate: bool, frames: &[u8]) -> (DeliveryCounts, FleetCounts) {
    let agreement = if deflate { AGREEMENT } else { "" };
    let (deliveries, counts, error) = run(protocol, deflate, agreement, frames);
    assert!(error.is_none());
    assert_eq!(counts.opened, 1);
    (deliveries, counts)
}

#[test]
fn every_frame_is_counted_wherever_the_stream_is_divided() {
    let sequences: Vec<u32> = (1..=PUBLICATIONS).collect();
    for protocol in [Protocol::Raw, Protocol::Client] {
        let (deliveries, counts) = received(protocol, false, &plain_frames(protocol, &sequences));
        let received = u64::from(PUBLICATIONS);
        assert_eq!(
            deliveries,
            DeliveryCounts {
                received,
                ..DeliveryCounts::default()
            }
        );
        assert_eq!(counts.unknown, 0);
    }
}

#[test]
fn a_loss_a_duplicate_and_a_reordering_in_the_stream_are_counted() {
    let mut sequences: Vec<u32> = (1..=PUBLICATIONS).collect();
    sequences.remove(500);
    sequences.insert(1000, 990);
    sequences.swap(1500, 1501);
    let frames = plain_frames(Protocol::Raw, &sequences);
    let (counts, _) = received(Protocol::Raw, false, &frames);
    let received = u64::from(PUBLICATIONS) - 1;
    assert_eq!(
        counts,
        DeliveryCounts {
            received,
            duplicate: 1,
            disordered: 1,
            foreign: 0
        }
    );
}

#[test]
fn publications_are_counted_and_not_frames() {
    let sequences: Vec<u32> = (1..=PUBLICATIONS).collect();
    let mut joined = Vec::new();
    for (nth, some) in sequences.chunks(20).enumerate() {
        let lines: Vec<_> = some.iter().map(|&n| message(Protocol::Client, n)).collect();
        let text = lines.join(&b'\n');
        // A server that has negotiated compression may send a message uncompressed, because not
        // every message shrinks.
        let plain = nth % 3 == 0;
        joined.extend(if plain {
            frame(0, &text)
        } else {
            compressed(&text)
        });
    }
    let single: Vec<u8> = sequences
        .iter()
        .flat_map(|&n| compressed(&message(Protocol::Raw, n)))
        .collect();
    for (protocol, frames, messages) in [
        (Protocol::Client, joined, PUBLICATIONS / 20 + 2),
        (Protocol::Raw, single, PUBLICATIONS),
    ] {
        let (deliveries, counts) = received(protocol, true, &frames);
        let received = u64::from(PUBLICATIONS);
        assert_eq!(
            deliveries,
            DeliveryCounts {
                received,
                ..DeliveryCounts::default()
            }
        );
        assert_eq!((counts.unknown, counts.messages), (0, u64::from(messages)));
        let least = frames.len() as u64;
        assert!(counts.deflated > 0 && counts.received_bytes > least);
    }
}

/// A sink that counts payloads by their length.
struct LengthCounter(u64);

impl DeliverySink for LengthCounter {
    fn delivery(&mut self, _connection: usize, _stamp: Stamp, _now_us: u64) {
        panic!("the payload was counted by its length");
    }

    fn examine(&mut self, _connection: usize, _now_us: u64) -> Examination {
        self.0 += 1;
        Examination::LengthOnly
    }
}

#[test]
fn payloads_can_be_counted_by_their_length() {
    for protocol in [Protocol::Raw, Protocol::Client] {
        let mut frames = plain_frames(protocol, &[1, 2, 2, 9]);
        frames.extend(frame(0, b"something else"));
        let mut counter = LengthCounter(0);
        let (counts, error) = run_into(&mut counter, protocol, false, "", &frames);
        assert!(error.is_none());
        assert_eq!((counter.0, counts.unknown), (4, 1));
    }
}

#[test]
fn a_message_that_cannot_be_decompressed_ends_the_connection() {
    for (deflate, bytes) in [
        (true, frame(RSV1, b"\x07garbage")),
        (false, compressed(&message(Protocol::Raw, 1))),
    ] {
        let (deliveries, counts) = received(Protocol::Raw, deflate, &bytes);
        assert_eq!((deliveries.received, counts.closed), (0, 1));
    }
}

#[test]
fn declined_compression_is_an_error_and_unrequested_compression_is_refused() {
    let (_, counts, error) = run(Protocol::Raw, true, "", &[]);
    assert!(matches!(error, Some(BenchError::DeflateDeclined)) && counts.opened == 0);
    let (_, counts, error) = run(Protocol::Raw, false, AGREEMENT, &[]);
    assert!(error.is_none() && counts.refused == 1);
}
