//! One server process on its own ports. The process is killed when the value is dropped.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::wait::{TIMEOUT, wait_for, wait_until};

pub const BINARY: &str = env!("CARGO_BIN_EXE_fanfare");

/// The ports of a server. They are below the range that the kernel uses for outgoing connections,
/// so that only another test can use them.
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
        Self {
            ws: free_port(),
            pull: free_port(),
            sub: free_port(),
            router: free_port(),
            admin: free_port(),
        }
    }
}

const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 12_000;

fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run at the same time start at different ports.
    let start = (std::process::id() % 100) as u16 * 120;
    wait_for("a free port", || {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST_PORT + (start + offset) % PORTS;
        TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
    })
}

/// Returns the command of the program, without input.
fn binary() -> Command {
    let mut command = Command::new(BINARY);
    command.stdin(Stdio::null());
    command
}

/// A server process.
pub struct Server {
    pub ports: Ports,
    child: Child,
    /// The output to stdout and stderr so far.
    output: Arc<Mutex<String>>,
}

impl Server {
    /// Starts a server with two shards and the defaults. Each setting is a `section.key=value`.
    pub fn start(settings: &[&str]) -> Self {
        Self::start_on(Ports::free(), settings)
    }

    pub fn start_on(ports: Ports, settings: &[&str]) -> Self {
        let mut server = Self::spawn(binary(), ports, &[], settings);
        server.await_listening();
        server
    }

    /// Starts a server with further arguments of `fanfare serve`.
    pub fn start_with_arguments(arguments: &[&str], settings: &[&str]) -> Self {
        let mut server = Self::spawn(binary(), Ports::free(), arguments, settings);
        server.await_listening();
        server
    }

    /// Starts a server whose file sets these ports, so that a reload can change them.
    pub fn start_from_file(ports: Ports, path: &str) -> Self {
        let mut command = binary();
        command.args(["serve", "-c", path]);
        let mut server = Self::spawn_command(command, ports);
        server.await_listening();
        server
    }

    /// Starts a server with this standard input and further arguments of `fanfare serve`.
    pub fn start_with_input(input: Stdio, arguments: &[&str]) -> Self {
        let mut command = binary();
        command.stdin(input);
        let mut server = Self::spawn(command, Ports::free(), arguments, &[]);
        server.await_listening();
        server
    }

    /// Starts a server from a shell that runs a command first, such as `ulimit -n 200`.
    pub fn start_in_shell(command: &str, settings: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell
            .stdin(Stdio::null())
            .args(["-c", &format!("{command}; exec \"$@\""), "sh", BINARY]);
        let mut server = Self::spawn(shell, Ports::free(), &[], settings);
        server.await_listening();
        server
    }

    /// Starts a process and does not wait until it listens.
    pub fn spawn_on(ports: Ports, settings: &[&str]) -> Self {
        Self::spawn(binary(), ports, &[], settings)
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
        for setting in &defaults {
            command.args(["-s", setting]);
        }
        for setting in settings {
            command.args(["-s", setting]);
        }
        Self::spawn_command(command, ports)
    }

    fn spawn_command(mut command: Command, ports: Ports) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let output = Arc::default();
        collect(child.stdout.take().expect("stdout is piped"), &output);
        collect(child.stderr.take().expect("stderr is piped"), &output);
        Self {
            ports,
            child,
            output,
        }
    }

    #[track_caller]
    fn await_listening(&mut self) {
        wait_until("a listening server", || {
            if let Some(status) = self.exit_status() {
                panic!("the server ended with {status}:\n{}", self.output());
            }
            // The last line that the server prints at its start.
            self.output().contains("connections up to")
        });
    }

    /// Returns the exit status; `None` while the process runs.
    fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child
            .try_wait()
            .expect("the process is a child of this process")
    }

    pub fn ws_address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports.ws))
    }

    pub fn admin_address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports.admin))
    }

    pub fn output(&self) -> String {
        self.output.lock().expect("no writer panics").clone()
    }

    /// Waits until the output contains `text`.
    #[track_caller]
    pub fn await_output(&self, text: &str) {
        wait_until(text, || self.output().contains(text));
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let process_id = self.process_id().to_string();
        let status = Command::new("kill")
            .args(["-s", name, &process_id])
            .status();
        assert!(status.expect("kill runs").success());
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("the process was not waited for");
        self.child.wait().expect("the process was not waited for");
    }

    /// Waits until the process ends by itself.
    #[track_caller]
    pub fn await_exit(&mut self) -> ExitStatus {
        wait_for("the end of the server", || self.exit_status())
    }

    #[track_caller]
    pub fn assert_running(&mut self) {
        let status = self.exit_status();
        assert_eq!(status, None, "{}", self.output());
    }

    /// Returns the number of open descriptors of the process.
    pub fn descriptors(&self) -> usize {
        self.descriptors_below(usize::MAX)
    }

    /// Returns the number of open descriptors below `limit`. Inherited descriptors may be above the
    /// limit of the process.
    pub fn descriptors_below(&self, limit: usize) -> usize {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.process_id()));
        let mut count = 0;
        for entry in entries.expect("the process runs") {
            let name = entry.expect("the process runs").file_name();
            let descriptor: usize = name.to_string_lossy().parse().expect("a number");
            count += usize::from(descriptor < limit);
        }
        count
    }

    /// Returns the number of open descriptors after every shard has finished its setup, which may
    /// be later than the last line of the start.
    pub fn settled_descriptors(&self) -> usize {
        // With 32 connections, each shard accepts some.
        for _ in 0..32 {
            assert!(self.health().contains("\"ok\""));
        }
        self.await_metric("fanfare_connections", &[], 0);
        // The descriptors of these connections are closed shortly after.
        let mut lowest = usize::MAX;
        for _ in 0..10 {
            thread::sleep(Duration::from_millis(10));
            lowest = lowest.min(self.descriptors());
        }
        lowest
    }

    /// Returns the resident memory of the process in bytes.
    pub fn resident_bytes(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process_id()));
        let status = status.expect("the process runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_ascii_whitespace().nth(1));
        kib.expect("VmRSS: KIB kB").parse::<usize>().unwrap() * 1024
    }

    /// Returns the body of `GET /health` on the WebSocket port; empty if there is no response.
    pub fn health(&self) -> String {
        get(self.ws_address(), "/health")
    }

    /// Waits until `/health` on the WebSocket port reports this status.
    #[track_caller]
    pub fn await_health(&self, status: &str) {
        let quoted = format!("\"{status}\"");
        wait_until(status, || self.health().contains(&quoted));
    }

    /// Returns the value of a metric: the sum of all samples whose name and labels contain all
    /// `words`.
    #[track_caller]
    pub fn metric(&self, name: &str, words: &[&str]) -> u64 {
        let body = get(self.admin_address(), "/metrics");
        let mut sum = None;
        for line in body.lines() {
            let Some((sample, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let sample_name = sample.split('{').next();
            let has_words = words.iter().all(|word| sample.contains(word));
            if sample_name != Some(name) || !has_words {
                continue;
            }
            // Some metrics are printed as 7.0. The values in these tests are integers.
            let integer = value.strip_suffix(".0").unwrap_or(value);
            *sum.get_or_insert(0) += integer.parse::<u64>().unwrap();
        }
        sum.unwrap_or_else(|| panic!("no {name} {words:?} in:\n{body}"))
    }

    /// Waits until nothing is pending, and asserts that every delivery is accounted for.
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
        wait_until(&format!("{name} {words:?} {value}"), || {
            self.metric(name, words) == value
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may be stopped or may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- output of the server:\n{}", self.output());
        }
    }
}

/// Starts a thread that appends everything from a pipe to the output.
fn collect(mut pipe: impl Read + Send + 'static, output: &Arc<Mutex<String>>) {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = pipe.read(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..read]);
            output.lock().expect("no writer panics").push_str(&text);
        }
    });
}

/// Sends bytes and returns everything that the peer sends until it closes the connection. Returns
/// an empty string if the connection is refused.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return String::new();
    };
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut response = Vec::new();
    // After a reset, the bytes before the reset are still returned.
    let _ = stream.write_all(bytes);
    let _ = stream.read_to_end(&mut response);
    String::from_utf8_lossy(&response).into_owned()
}

/// Returns the body of the response to a GET request; empty if there is none.
pub fn get(address: SocketAddr, target: &str) -> String {
    let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let response = exchange(address, head.as_bytes());
    let (_, body) = response.split_once("\r\n\r\n").unwrap_or_default();
    body.to_owned()
}
