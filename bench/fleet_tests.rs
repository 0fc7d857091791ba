//! The receiving side over a real socket: a server that cuts its stream anywhere, and loses,
//! doubles or swaps what it should send.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::arguments::{Arguments, Protocol};
use crate::clock::Clock;
use crate::connection::Plan;
use crate::deal::Deal;
use crate::fleet::{Fleet, Tally};
use crate::ledger::{Counts, Ledger};
use crate::payload::{self, Stamp};
use crate::receiver::Receiver;

const PAYLOAD: usize = 300;
const PUBLICATIONS: u32 = 2000;

/// Answers one handshake, then writes `bytes` in pieces that end anywhere, and closes.
fn serve(listener: &TcpListener, bytes: &[u8]) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
    assert!(request.by_ref().any(|line| line.unwrap().is_empty()));
    let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let whole = [head.as_slice(), bytes].concat();
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

fn frame(protocol: Protocol, sequence: u32) -> Vec<u8> {
    let mut payload = payload::template(PAYLOAD);
    payload::stamp(
        &mut payload,
        Stamp {
            topic: 0,
            sequence,
            due_us: 1,
        },
    );
    if protocol == Protocol::Client {
        let channel = payload::topic_name(0);
        let before = format!(r#"{{"push":{{"channel":"{channel}","pub":{{"data":"#);
        payload = [before.as_bytes(), payload.as_slice(), b"}}}"].concat();
    }
    let len = (payload.len() as u16).to_be_bytes();
    [&[0x81, 0x7E, len[0], len[1]], payload.as_slice()].concat()
}

/// What a receiver counts on one connection that gets these sequences.
fn received(protocol: Protocol, sequences: &[u32]) -> (Counts, Tally) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let arguments = Arguments::parse_from(["fanfare-bench", "--url", &url, "idle"]);
    let mut bytes = Vec::new();
    if protocol == Protocol::Client {
        for reply in [r#"{"id":1,"connect":{}}"#, r#"{"id":2,"subscribe":{}}"#] {
            bytes.extend([0x81, reply.len() as u8]);
            bytes.extend(reply.as_bytes());
        }
    }
    bytes.extend(
        sequences
            .iter()
            .flat_map(|&sequence| frame(protocol, sequence)),
    );
    let server = thread::spawn(move || serve(&listener, &bytes));

    let mut fleet = Fleet::new(&arguments.common, Clock::new(), PAYLOAD).unwrap();
    fleet.add(Plan {
        protocol,
        topics: vec![0],
        reads: true,
    });
    let mut receiver = Receiver::new(Ledger::new(Deal::new(1, 1, 1, 0)));
    let ended = |tally: &Tally| tally.closed + tally.failed + tally.refused > 0;
    let late = Instant::now() + Duration::from_secs(20);
    while !ended(&fleet.tally) && Instant::now() < late {
        fleet.turn(&mut receiver).unwrap();
    }
    assert!(ended(&fleet.tally), "the end of the stream was not seen");
    server.join().unwrap();
    assert_eq!(fleet.tally.opened, 1);
    (receiver.ledger.counts, fleet.tally)
}

#[test]
fn every_frame_is_counted_however_the_stream_is_cut() {
    let sequences: Vec<u32> = (1..=PUBLICATIONS).collect();
    for protocol in [Protocol::Raw, Protocol::Client] {
        let (counts, tally) = received(protocol, &sequences);
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
    let (counts, _) = received(Protocol::Raw, &sequences);
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
