//! The baseline server: handshake, exact topics, frames encoded once and joined, one send per
//! connection and round, no checks and no limits. One thread with one epoll instance.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use socket2::{Domain, Socket, Type};

use crate::baseline::client::BaselineClient;
use crate::baseline::injection::{ConnectOutcome, DeliveryOutcome, FaultInjection, FaultInjector};
use crate::baseline::nonblocking::{ReadOutcome, available};
use crate::baseline::pull::ZeroMqPull;
use crate::baseline::stream::StreamPublisher;

/// Tokens of the listeners and of the publishing connection or socket. Smaller tokens are indices
/// of clients.
const CLIENT_LISTENER: Token = Token(usize::MAX);
const PUBLISHER_LISTENER: Token = Token(usize::MAX - 1);
const PUBLISHER: Token = Token(usize::MAX - 2);

/// Maximum number of events from one call of epoll.
const EVENTS: usize = 1024;

/// Size of the read buffer.
const BUFFER_BYTES: usize = 128 * 1024;

/// Connections that may wait to be accepted. `net.core.somaxconn` may limit the number further.
const BACKLOG: i32 = 65_535;

#[derive(Clone, Debug, Args)]
pub struct BaselineOptions {
    /// Listening address for WebSocket clients
    #[arg(long)]
    clients: SocketAddr,
    /// Listening address for the publisher
    #[arg(long)]
    publishers: SocketAddr,
    /// Receive publications through a ZeroMQ PULL socket, as fanfare does, instead of plain TCP
    #[arg(long)]
    zeromq: bool,
}

/// Serves until the process is killed.
pub fn run(options: &BaselineOptions, injection: &FaultInjection) -> ExitCode {
    let result = BaselineServer::new(options, injection).and_then(|mut server| server.serve());
    if let Err(error) = result {
        eprintln!("fanfare-bench floor: {error}");
    }
    ExitCode::FAILURE
}

/// The source of publications.
enum PublicationSource {
    /// One connection at a time. A new connection replaces the previous one.
    Stream {
        listener: TcpListener,
        publisher: Option<StreamPublisher>,
    },
    ZeroMq(ZeroMqPull),
}

struct BaselineServer {
    poll: Poll,
    listener: TcpListener,
    source: PublicationSource,
    /// The clients by token. The entry of a closed client stays empty.
    clients: Vec<Option<BaselineClient>>,
    /// The clients of each topic.
    subscribers: HashMap<Vec<u8>, Vec<usize>>,
    /// Clients with pending bytes in this round.
    to_send: Vec<usize>,
    /// Clients whose connection an injected fault closes in this round.
    to_close: Vec<usize>,
    injector: Option<FaultInjector>,
    buffer: Vec<u8>,
}

impl BaselineServer {
    fn new(options: &BaselineOptions, injection: &FaultInjection) -> io::Result<Self> {
        let poll = Poll::new()?;
        let source = PublicationSource::open(options, poll.registry())?;
        let mut listener = listen(options.clients)?;
        poll.registry()
            .register(&mut listener, CLIENT_LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            source,
            clients: Vec::new(),
            subscribers: HashMap::new(),
            to_send: Vec::new(),
            to_close: Vec::new(),
            injector: FaultInjector::new(injection),
            buffer: vec![0; BUFFER_BYTES],
        })
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
                    CLIENT_LISTENER => self.accept_clients()?,
                    PUBLISHER_LISTENER => self.accept_publisher()?,
                    PUBLISHER => self.handle_publications(),
                    Token(index) => self.handle_client(index, event.is_readable()),
                }
            }
            self.send();
        }
    }

    fn accept_clients(&mut self) -> io::Result<()> {
        while let Some((mut stream, _)) = available(self.listener.accept())? {
            let injector = self.injector.as_mut();
            if injector.map(FaultInjector::connect) == Some(ConnectOutcome::Refuse) {
                continue;
            }
            stream.set_nodelay(true)?;
            // Registering for both directions at once saves a system call when a send is short.
            // Events are edge-triggered, so writability does not cause repeated events.
            let both = Interest::READABLE | Interest::WRITABLE;
            let token = Token(self.clients.len());
            self.poll.registry().register(&mut stream, token, both)?;
            self.clients.push(Some(BaselineClient::new(stream)));
        }
        Ok(())
    }

    fn accept_publisher(&mut self) -> io::Result<()> {
        let PublicationSource::Stream {
            listener,
            publisher,
        } = &mut self.source
        else {
            return Ok(());
        };
        while let Some((mut stream, _)) = available(listener.accept())? {
            let registry = self.poll.registry();
            registry.register(&mut stream, PUBLISHER, Interest::READABLE)?;
            *publisher = Some(StreamPublisher::new(stream));
        }
        Ok(())
    }

    fn handle_client(&mut self, index: usize, is_readable: bool) {
        let Some(client) = &mut self.clients[index] else {
            return;
        };
        let read = if is_readable {
            client.read(&mut self.buffer)
        } else {
            Ok(Vec::new())
        };
        match read {
            Ok(topics) => {
                for topic in topics {
                    self.subscribers.entry(topic).or_default().push(index);
                }
                if !client.pending.is_empty() {
                    self.to_send.push(index);
                }
            }
            Err(_) => self.remove(index),
        }
    }

    /// Reads all available publications. The publications of one read are sent
    /// before the next read.
    fn handle_publications(&mut self) {
        while self.read_publications() == ReadOutcome::MoreMayFollow {
            self.send();
        }
    }

    /// Reads once from the publisher and appends the frames to the pending bytes of subscribers.
    fn read_publications(&mut self) -> ReadOutcome {
        let (clients, subscribers) = (&mut self.clients, &self.subscribers);
        let (to_send, to_close) = (&mut self.to_send, &mut self.to_close);
        let injector = &mut self.injector;
        let mut deliver = |topic: &[u8], frame: &[u8]| {
            let indices = subscribers.get(topic).map_or(&[][..], Vec::as_slice);
            for &index in indices {
                let Some(client) = &mut clients[index] else {
                    continue;
                };
                if client.pending.is_empty() {
                    to_send.push(index);
                }
                let Some(injector) = injector else {
                    client.pending.extend_from_slice(frame);
                    continue;
                };
                let outcome = injector.deliver(index, topic, frame, &mut client.pending);
                if outcome == DeliveryOutcome::Close {
                    to_close.push(index);
                }
            }
        };
        match &mut self.source {
            PublicationSource::ZeroMq(pull) => {
                pull.read(&mut deliver).unwrap_or(ReadOutcome::Drained)
            }
            PublicationSource::Stream { publisher, .. } => {
                let read = publisher
                    .as_mut()
                    .map(|publisher| publisher.read(&mut self.buffer, &mut deliver));
                match read {
                    Some(Ok(outcome)) => outcome,
                    Some(Err(_)) => {
                        *publisher = None;
                        ReadOutcome::Drained
                    }
                    None => ReadOutcome::Drained,
                }
            }
        }
    }

    /// Calls send once for each client with pending bytes.
    fn send(&mut self) {
        for at in 0..self.to_send.len() {
            let index = self.to_send[at];
            let sent = self.clients[index].as_mut().map(BaselineClient::send);
            if sent.is_some_and(|sent| sent.is_err()) {
                self.remove(index);
            }
        }
        self.to_send.clear();
        while let Some(index) = self.to_close.pop() {
            self.remove(index);
        }
    }

    fn remove(&mut self, index: usize) {
        self.clients[index] = None;
        for indices in self.subscribers.values_mut() {
            indices.retain(|&other| other != index);
        }
    }
}

impl PublicationSource {
    fn open(options: &BaselineOptions, registry: &Registry) -> io::Result<Self> {
        if options.zeromq {
            let io_error = |error: zmq::Error| io::Error::from_raw_os_error(error.to_raw());
            let pull = ZeroMqPull::bind(options.publishers).map_err(io_error)?;
            let descriptor = pull.descriptor().map_err(io_error)?;
            registry.register(&mut SourceFd(&descriptor), PUBLISHER, Interest::READABLE)?;
            return Ok(Self::ZeroMq(pull));
        }
        let mut listener = listen(options.publishers)?;
        registry.register(&mut listener, PUBLISHER_LISTENER, Interest::READABLE)?;
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
