//! A server process with ports of its own. It is killed when its value is dropped.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::wait::{TIMEOUT, until};

pub const BINARY: &str = env!("CARGO_BIN_EXE_fanfare");

/// The ports of a server. They are below the range that the kernel uses for outgoing connections,
/// so that only another test could use one of them.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub ws: u16,
    pub pull: u16,
    pub sub: u16,
    pub router: u16,
    pub admin: u16,
}

impl Ports {
    pub fn free() -> Self {
        let mut ports = (0..5).map(|_| free_port());
        let mut next = || ports.next().expect("there are five ports");
        Self {
            ws: next(),
            pull: next(),
            sub: next(),
            router: next(),
            admin: next(),
        }
    }
}

const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 12_000;

fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run at the same time begin with different ports.
    let start = (std::process::id() % 100) as u16 * 120;
    until("a free port", || {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST_PORT + (start + offset) % PORTS;
        TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
    })
}

/// A running server.
pub struct Server {
    pub ports: Ports,
    child: Child,
    /// The output on stdout and stderr so far.
    output: Arc<Mutex<String>>,
}

impl Server {
    /// Starts a server with two shards and defaults. `settings` are `section.key=value`.
    pub fn start(settings: &[&str]) -> Self {
        Self::start_on(Ports::free(), settings)
    }

    pub fn start_on(ports: Ports, settings: &[&str]) -> Self {
        let mut server = Self::spawn(Command::new(BINARY), ports, &[], settings);
        server.await_listening();
        server
    }

    /// Starts a server with additional arguments of `serve`.
    pub fn start_with(arguments: &[&str], settings: &[&str]) -> Self {
        let mut server = Self::spawn(Command::new(BINARY), Ports::free(), arguments, settings);
        server.await_listening();
        server
    }

    /// Starts a server in a shell that first runs `before`, such as `ulimit -n 200`.
    pub fn start_after(before: &str, settings: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{before}; exec \"$@\""), "sh", BINARY]);
        let mut server = Self::spawn(shell, Ports::free(), &[], settings);
        server.await_listening();
        server
    }

    /// Starts a server without waiting until it listens.
    pub fn try_start_on(ports: Ports, settings: &[&str]) -> Self {
        Self::spawn(Command::new(BINARY), ports, &[], settings)
    }

    fn spawn(mut command: Command, ports: Ports, arguments: &[&str], settings: &[&str]) -> Self {
        let defaults = [
            format!("ws.listen=127.0.0.1:{}", ports.ws),
            format!("ingest.pull=tcp://127.0.0.1:{}", ports.pull),
            format!("ingest.sub=tcp://127.0.0.1:{}", ports.sub),
            format!("ingest.router=tcp://127.0.0.1:{}", ports.router),
            format!("admin.listen=127.0.0.1:{}", ports.admin),
            "cpu.shards=2".to_owned(),
        ];
        command.arg("serve").args(arguments);
        let settings = settings.iter().map(ToString::to_string);
        for setting in defaults.into_iter().chain(settings) {
            command.args(["-s", &setting]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let output = Arc::default();
        collect(child.stdout.take().expect("the output is a pipe"), &output);
        collect(child.stderr.take().expect("the output is a pipe"), &output);
        Self {
            ports,
            child,
            output,
        }
    }

    #[track_caller]
    fn await_listening(&mut self) {
        until("a listening server", || {
            if let Some(status) = self.child.try_wait().expect("the process is a child") {
                panic!("the server ended with {status}:\n{}", self.output());
            }
            // The last line that the server prints at its start.
            let output = self.output();
            output.contains("connections up to").then_some(())
        });
    }

    pub fn ws_address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports.ws))
    }

    pub fn output(&self) -> String {
        self.output.lock().expect("no writer panics").clone()
    }

    /// Waits until the server has printed `text`.
    #[track_caller]
    pub fn await_output(&self, text: &str) {
        until(text, || self.output().contains(text).then_some(()));
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let process_id = self.process_id().to_string();
        let status = Command::new("kill")
            .args(["-s", name, &process_id])
            .status();
        assert!(status.expect("kill runs").success());
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("the process is a child");
        self.child.wait().expect("the process is a child");
    }

    /// Waits until the server ends by itself.
    #[track_caller]
    pub fn await_exit(&mut self) -> ExitStatus {
        until("the end of the server", || {
            self.child.try_wait().expect("the process is a child")
        })
    }

    #[track_caller]
    pub fn assert_running(&mut self) {
        let ended = self.child.try_wait().expect("the process is a child");
        assert_eq!(ended, None, "{}", self.output());
    }

    /// Returns the number of open descriptors of the process.
    pub fn descriptors(&self) -> usize {
        self.descriptors_below(usize::MAX)
    }

    /// Returns the number of open descriptors below `limit`. Inherited descriptors may have higher
    /// numbers.
    pub fn descriptors_below(&self, limit: usize) -> usize {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.process_id()));
        let names = entries.expect("the process runs").map(|entry| {
            let name = entry.expect("the process runs").file_name();
            name.to_string_lossy().parse().expect("a number")
        });
        names.filter(|number: &usize| *number < limit).count()
    }

    /// Returns the number of open descriptors when every shard has finished its set-up, which may
    /// be after the server has printed its start.
    pub fn settled_descriptors(&self) -> usize {
        // With this number of requests, each shard has accepted some.
        for _ in 0..32 {
            assert!(self.health().contains("\"ok\""));
        }
        self.await_metric("fanfare_connections", &[], 0);
        // The connections of these requests are closed a moment later.
        let counts = (0..10).map(|_| {
            thread::sleep(Duration::from_millis(10));
            self.descriptors()
        });
        counts.min().expect("ten counts")
    }

    /// Returns the resident memory of the process.
    pub fn resident_bytes(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process_id()));
        let status = status.expect("the process runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_ascii_whitespace().nth(1));
        kib.expect("VmRSS: KIB kB").parse::<usize>().unwrap() * 1024
    }

    /// Returns the body of `GET /health` on the WebSocket port, or an empty string if there is no
    /// response.
    pub fn health(&self) -> String {
        get(self.ws_address(), "/health")
    }

    /// Waits until `/health` on the WebSocket port reports this status.
    #[track_caller]
    pub fn await_health(&self, status: &str) {
        until(status, || {
            let health = self.health();
            health.contains(&format!("\"{status}\"")).then_some(())
        });
    }

    /// Returns the value of a metric: the sum of the samples whose labels contain all of `words`.
    #[track_caller]
    pub fn metric(&self, name: &str, words: &[&str]) -> u64 {
        let address = SocketAddr::from(([127, 0, 0, 1], self.ports.admin));
        let body = get(address, "/metrics");
        let samples = body.lines().filter_map(|line| {
            let (sample, value) = line.rsplit_once(' ')?;
            let has_name = sample.split('{').next()? == name;
            let has_labels = words.iter().all(|word| sample.contains(word));
            // Some values are printed as 7.0. The values in tests are integers.
            let whole = value.strip_suffix(".0").unwrap_or(value);
            (has_name && has_labels).then(|| whole.parse::<u64>().unwrap())
        });
        let samples: Vec<_> = samples.collect();
        assert!(!samples.is_empty(), "no {name} {words:?} in:\n{body}");
        samples.into_iter().sum()
    }

    /// Waits until nothing is pending, and checks that no delivery was lost without a reason.
    #[track_caller]
    pub fn assert_accounted(&self) {
        self.await_metric("fanfare_pending", &[], 0);
        let matched = self.metric("fanfare_matched_total", &[]);
        let written = self.metric("fanfare_written_total", &[]);
        let dropped = self.metric("fanfare_dropped_total", &[]);
        assert_eq!(matched, written + dropped);
        assert_eq!(self.metric("fanfare_stage_difference", &[]), 0);
    }

    /// Waits until a metric has this value.
    #[track_caller]
    pub fn await_metric(&self, name: &str, words: &[&str], value: u64) {
        until(&format!("{name} {words:?} {value}"), || {
            (self.metric(name, words) == value).then_some(())
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- output of the server:\n{}", self.output());
        }
    }
}

fn collect(mut from: impl Read + Send + 'static, into: &Arc<Mutex<String>>) {
    let into = Arc::clone(into);
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(1..) = from.read(&mut bytes).inspect(|&len| {
            let text = String::from_utf8_lossy(&bytes[..len]);
            into.lock().expect("no writer panics").push_str(&text);
        }) {}
    });
}

/// Sends bytes and returns everything that is received until the server closes the connection.
/// Returns an empty string if the connection was refused.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return String::new();
    };
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut response = Vec::new();
    // After a reset, the bytes that were received before it are returned.
    let _ = stream.write_all(bytes);
    let _ = stream.read_to_end(&mut response);
    String::from_utf8_lossy(&response).into_owned()
}

/// Returns the body of the response to a `GET` request, or an empty string if there is none.
fn get(address: SocketAddr, target: &str) -> String {
    let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let response = exchange(address, head.as_bytes());
    let (_, body) = response.split_once("\r\n\r\n").unwrap_or_default();
    body.to_owned()
}
