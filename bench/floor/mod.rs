//! The floor: the least that a server of this kind can do, to measure others against. Handshake,
//! exact topics, frames encoded once and joined, one send per connection and turn; no checks, no
//! limits. One thread, one epoll instance.

mod client;
mod injection;
mod publisher;
mod pull;

pub use injection::Injection;
pub use publisher::publication;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use socket2::{Domain, Socket, Type};

use client::Client;
use injection::Injector;
use publisher::Publisher;
use pull::Pull;

const CLIENTS: Token = Token(usize::MAX);
const PUBLISHERS: Token = Token(usize::MAX - 1);
/// The publishing connection, or the socket of ZeroMQ; the tokens below it are indices of clients.
const PUBLISHER: Token = Token(usize::MAX - 2);

/// Events taken at a time.
const EVENTS: usize = 1024;

/// One read takes this much.
const BUFFER_BYTES: usize = 128 * 1024;

/// Connections that may wait to be accepted, as far as `net.core.somaxconn` allows.
const BACKLOG: i32 = 65_535;

#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Where WebSocket clients connect
    #[arg(long)]
    clients: SocketAddr,
    /// Where the publisher connects
    #[arg(long)]
    publishers: SocketAddr,
    /// Publishers PUSH through ZeroMQ, as to fanfare, instead of writing to a plain stream
    #[arg(long)]
    zeromq: bool,
}

/// Serves until it is killed.
pub fn main(options: &Options, injection: &Injection) -> ExitCode {
    let served = Floor::new(options, injection).and_then(|mut floor| floor.serve());
    if let Err(error) = served {
        eprintln!("fanfare-bench floor: {error}");
    }
    ExitCode::FAILURE
}

/// Where publications come from.
enum Source {
    /// One connection at a time; the last one counts.
    Stream {
        listener: TcpListener,
        publisher: Option<Publisher>,
    },
    ZeroMq(Pull),
}

struct Floor {
    poll: Poll,
    clients_listener: TcpListener,
    source: Source,
    /// By token; one that has gone leaves its place to nobody.
    clients: Vec<Option<Client>>,
    /// The clients of each topic.
    topics: HashMap<Vec<u8>, Vec<usize>>,
    /// Those with something to send in this turn.
    due: Vec<usize>,
    injector: Option<Injector>,
    buffer: Vec<u8>,
}

impl Floor {
    fn new(options: &Options, injection: &Injection) -> io::Result<Self> {
        let poll = Poll::new()?;
        let source = Source::open(options, poll.registry())?;
        let mut floor = Self {
            poll,
            clients_listener: listen(options.clients)?,
            source,
            clients: Vec::new(),
            topics: HashMap::new(),
            due: Vec::new(),
            injector: Injector::new(injection),
            buffer: vec![0; BUFFER_BYTES],
        };
        let registry = floor.poll.registry();
        registry.register(&mut floor.clients_listener, CLIENTS, Interest::READABLE)?;
        Ok(floor)
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome?,
            }
            for event in &events {
                match event.token() {
                    CLIENTS => self.accept_clients()?,
                    PUBLISHERS => self.accept_publisher()?,
                    PUBLISHER => self.publications(),
                    Token(index) => self.client_ready(index, event.is_readable()),
                }
            }
            self.send();
        }
    }

    fn accept_clients(&mut self) -> io::Result<()> {
        while let Some((mut stream, _)) = pending(self.clients_listener.accept())? {
            stream.set_nodelay(true)?;
            // Edge-triggered, so that waiting for both costs no call later.
            let (token, both) = (
                Token(self.clients.len()),
                Interest::READABLE | Interest::WRITABLE,
            );
            self.poll.registry().register(&mut stream, token, both)?;
            self.clients.push(Some(Client::new(stream)));
        }
        Ok(())
    }

    fn accept_publisher(&mut self) -> io::Result<()> {
        let Source::Stream {
            listener,
            publisher,
        } = &mut self.source
        else {
            return Ok(());
        };
        while let Some((mut stream, _)) = pending(listener.accept())? {
            let registry = self.poll.registry();
            registry.register(&mut stream, PUBLISHER, Interest::READABLE)?;
            *publisher = Some(Publisher::new(stream));
        }
        Ok(())
    }

    fn client_ready(&mut self, index: usize, readable: bool) {
        let Some(client) = &mut self.clients[index] else {
            return;
        };
        let read = if readable {
            client.read(&mut self.buffer)
        } else {
            Ok(Vec::new())
        };
        match read {
            Ok(topics) => {
                for topic in topics {
                    self.topics.entry(topic).or_default().push(index);
                }
                if !client.pending.is_empty() {
                    self.due.push(index);
                }
            }
            Err(_) => self.forget(index),
        }
    }

    /// Everything readable from the publisher; a buffer full is sent before the next is read.
    fn publications(&mut self) {
        while self.read_publications() {
            self.send();
        }
    }

    /// Reads once, to everybody's pending bytes. True: there may be more.
    fn read_publications(&mut self) -> bool {
        let (clients, topics, due) = (&mut self.clients, &self.topics, &mut self.due);
        let injector = &mut self.injector;
        let mut deliver = |topic: &[u8], frame: &[u8]| {
            let members = topics.get(topic).map_or(&[][..], Vec::as_slice);
            for &index in members {
                let Some(client) = &mut clients[index] else {
                    continue;
                };
                if client.pending.is_empty() {
                    due.push(index);
                }
                match injector {
                    None => client.pending.extend_from_slice(frame),
                    Some(injector) => injector.deliver(index, topic, frame, &mut client.pending),
                }
            }
        };
        match &mut self.source {
            Source::ZeroMq(pull) => pull.read(&mut deliver).unwrap_or(false),
            Source::Stream { publisher, .. } => {
                let read = publisher
                    .as_mut()
                    .map(|publisher| publisher.read(&mut self.buffer, &mut deliver));
                if matches!(read, Some(Err(_))) {
                    *publisher = None;
                }
                matches!(read, Some(Ok(true)))
            }
        }
    }

    /// One send to each client that has something pending.
    fn send(&mut self) {
        for at in 0..self.due.len() {
            let index = self.due[at];
            let sent = self.clients[index].as_mut().map(Client::send);
            if sent.is_some_and(|sent| sent.is_err()) {
                self.forget(index);
            }
        }
        self.due.clear();
    }

    fn forget(&mut self, index: usize) {
        self.clients[index] = None;
        for members in self.topics.values_mut() {
            members.retain(|&member| member != index);
        }
    }
}

impl Source {
    fn open(options: &Options, registry: &Registry) -> io::Result<Self> {
        if options.zeromq {
            let fault = |error: zmq::Error| io::Error::from_raw_os_error(error.to_raw());
            let pull = Pull::bind(options.publishers).map_err(fault)?;
            let descriptor = pull.descriptor().map_err(fault)?;
            registry.register(&mut SourceFd(&descriptor), PUBLISHER, Interest::READABLE)?;
            return Ok(Self::ZeroMq(pull));
        }
        let mut listener = listen(options.publishers)?;
        registry.register(&mut listener, PUBLISHERS, Interest::READABLE)?;
        Ok(Self::Stream {
            listener,
            publisher: None,
        })
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// What a call that must not wait brought; `None`: nothing is there.
fn pending<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        outcome => outcome.map(Some),
    }
}
