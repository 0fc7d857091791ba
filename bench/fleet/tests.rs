//! The receiving side over a real socket: a server that cuts its stream anywhere, and loses,
//! doubles or swaps what it should send.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use flate2::FlushCompress;

use crate::arguments::{Arguments, Protocol};
use crate::clock::Clock;
use crate::connection::Plan;
use crate::deal::Deal;
use crate::fault::Fault;
use crate::fleet::{Fleet, Sink, Tally};
use crate::inflate;
use crate::ledger::{Counts, Ledger};
use crate::payload::{self, Stamp};
use crate::receiver::Receiver;

const RSV1: u8 = 0x40;
const PAYLOAD: usize = 300;
const PUBLICATIONS: u32 = 2000;

const AGREEMENT: &str = "Sec-WebSocket-Extensions: permessage-deflate; \
    server_no_context_takeover; client_no_context_takeover\r\n";

/// Answers one handshake, then writes `bytes` in pieces that end anywhere, and closes.
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
    // Closing with something unread would reset the connection and lose what it carries.
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

/// A publication as the protocol carries it.
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

/// A text frame with more bits in its first byte.
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

/// What a fleet of one finds when it gets these frames, and the fault that ends it.
fn run(
    protocol: Protocol,
    deflate: bool,
    agreement: &'static str,
    frames: &[u8],
) -> (Counts, Tally, Option<Fault>) {
    let mut receiver = Receiver::new(Ledger::new(Deal::new(1, 1, 1, 0)));
    let (tally, fault) = run_into(&mut receiver, protocol, deflate, agreement, frames);
    (receiver.ledger.counts, tally, fault)
}

/// The same, into any sink.
fn run_into(
    sink: &mut impl Sink,
    protocol: Protocol,
    deflate: bool,
    agreement: &'static str,
    frames: &[u8],
) -> (Tally, Option<Fault>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let arguments = Arguments::parse_from(["fanfare-bench", "--url", &url, "idle"]);
    let mut bytes = Vec::new();
    if protocol == Protocol::Client {
        for reply in [r#"{"id":1,"connect":{}}"#, r#"{"id":2,"subscribe":{}}"#] {
            bytes.extend(frame(0, reply.as_bytes()));
        }
    }
    bytes.extend(frames);
    let server = thread::spawn(move || serve(&listener, agreement, &bytes));

    let mut fleet = Fleet::new(&arguments.common, Clock::new(), PAYLOAD).unwrap();
    fleet.set_deflate(deflate);
    fleet.add(Plan {
        protocol,
        topics: vec![0],
        reads: true,
    });
    let ended = |tally: &Tally| tally.closed + tally.failed + tally.refused > 0;
    let late = Instant::now() + Duration::from_secs(20);
    let mut fault = None;
    while fault.is_none() && !ended(&fleet.tally) && Instant::now() < late {
        fault = fleet.turn(sink).err();
    }
    let tally = fleet.tally;
    assert!(ended(&tally), "the end of the stream was not seen");
    drop(fleet);
    server.join().unwrap();
    (tally, fault)
}

/// The same of a connection that opens.
fn received(protocol: Protocol, deflate: bool, frames: &[u8]) -> (Counts, Tally) {
    let agreement = if deflate { AGREEMENT } else { "" };
    let (counts, tally, fault) = run(protocol, deflate, agreement, frames);
    assert!(fault.is_none());
    assert_eq!(tally.opened, 1);
    (counts, tally)
}

#[test]
fn every_frame_is_counted_however_the_stream_is_cut() {
    let sequences: Vec<u32> = (1..=PUBLICATIONS).collect();
    for protocol in [Protocol::Raw, Protocol::Client] {
        let (counts, tally) = received(protocol, false, &plain_frames(protocol, &sequences));
        let received = u64::from(PUBLICATIONS);
        assert_eq!(
            counts,
            Counts {
                received,
                ..Counts::default()
            }
        );
        assert_eq!(tally.unknown, 0);
    }
}

#[test]
fn a_loss_a_duplicate_and_a_reorder_on_the_wire_are_counted() {
    let mut sequences: Vec<u32> = (1..=PUBLICATIONS).collect();
    sequences.remove(500);
    sequences.insert(1000, 990);
    sequences.swap(1500, 1501);
    let frames = plain_frames(Protocol::Raw, &sequences);
    let (counts, _) = received(Protocol::Raw, false, &frames);
    let received = u64::from(PUBLICATIONS) - 1;
    assert_eq!(
        counts,
        Counts {
            received,
            duplicate: 1,
            disordered: 1,
            foreign: 0
        }
    );
}

#[test]
fn publications_are_counted_and_not_the_frames_that_carry_them() {
    let sequences: Vec<u32> = (1..=PUBLICATIONS).collect();
    let mut joined = Vec::new();
    for (nth, some) in sequences.chunks(20).enumerate() {
        let lines: Vec<_> = some.iter().map(|&n| message(Protocol::Client, n)).collect();
        let text = lines.join(&b'\n');
        // Not every message shrinks: a server that negotiated may send either.
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
        let (counts, tally) = received(protocol, true, &frames);
        let received = u64::from(PUBLICATIONS);
        assert_eq!(
            counts,
            Counts {
                received,
                ..Counts::default()
            }
        );
        assert_eq!((tally.unknown, tally.messages), (0, u64::from(messages)));
        let least = frames.len() as u64;
        assert!(tally.deflated > 0 && tally.received_bytes > least);
    }
}

/// Only counts.
struct Skimmer(u64);

impl Sink for Skimmer {
    fn delivery(&mut self, _connection: usize, _stamp: Stamp, _now_us: u64) {
        panic!("it was skimmed");
    }

    fn skim(&mut self, _connection: usize, _now_us: u64) -> bool {
        self.0 += 1;
        true
    }
}

#[test]
fn what_is_skimmed_is_counted_by_its_length() {
    for protocol in [Protocol::Raw, Protocol::Client] {
        let mut frames = plain_frames(protocol, &[1, 2, 2, 9]);
        frames.extend(frame(0, b"something else"));
        let mut skimmer = Skimmer(0);
        let (tally, fault) = run_into(&mut skimmer, protocol, false, "", &frames);
        assert!(fault.is_none());
        assert_eq!((skimmer.0, tally.unknown), (4, 1));
    }
}

#[test]
fn what_does_not_inflate_ends_the_connection() {
    for (deflate, bytes) in [
        (true, frame(RSV1, b"\x07garbage")),
        (false, compressed(&message(Protocol::Raw, 1))),
    ] {
        let (counts, tally) = received(Protocol::Raw, deflate, &bytes);
        assert_eq!((counts.received, tally.closed), (0, 1));
    }
}

#[test]
fn a_server_that_declines_is_a_fault_and_one_that_was_not_asked_is_refused() {
    let (_, tally, fault) = run(Protocol::Raw, true, "", &[]);
    assert!(matches!(fault, Some(Fault::Declined)) && tally.opened == 0);
    let (_, tally, fault) = run(Protocol::Raw, false, AGREEMENT, &[]);
    assert!(fault.is_none() && tally.refused == 1);
}
