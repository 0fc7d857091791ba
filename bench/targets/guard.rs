//! Ends a server in every case in which the load generator ends. The load generator starts this
//! program again as a guard process. The guard starts the server, waits for the end of its own
//! standard input, and kills the server. The kernel closes that pipe even after a SIGKILL. Main
//! thread.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use clap::Args;

use crate::error::BenchError;
use crate::report::process::Process;

/// The options of the guard process.
#[derive(Clone, Debug, Args)]
pub struct GuardOptions {
    /// Directory to delete after the server has ended
    #[arg(long)]
    directory: Option<PathBuf>,
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// A server and its guard process. Dropping it ends both.
#[derive(Debug)]
pub struct GuardedServer {
    guard: Child,
    pid: u32,
}

impl GuardedServer {
    /// Starts a program, which inherits the core of the calling thread.
    pub fn start(program: &OsStr, arguments: &[String]) -> Result<Self, BenchError> {
        Self::start_in(None, program, arguments)
    }

    /// Starts a program with a directory that the guard deletes at the end.
    pub fn start_in(
        directory: Option<&Path>,
        program: &OsStr,
        arguments: &[String],
    ) -> Result<Self, BenchError> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("guard");
        if let Some(directory) = directory {
            command.arg("--directory").arg(directory);
        }
        let mut guard = command
            .arg("--")
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C must end the load generator only: the guard must survive it to kill the
            // server.
            .process_group(0)
            .spawn()?;
        let mut pid = String::new();
        if let Some(output) = guard.stdout.take() {
            BufReader::new(output).read_line(&mut pid)?;
        }
        if let Ok(pid) = pid.trim().parse() {
            return Ok(Self { guard, pid });
        }
        guard.wait()?;
        Err(BenchError::Start(program.to_string_lossy().into_owned()))
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns whether the server has ended.
    pub fn has_ended(&self) -> bool {
        Process::new(self.pid).map_or(true, Process::has_ended)
    }
}

impl Drop for GuardedServer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // The guard ends shortly after the end of its input. If waiting fails, it has already
        // ended.
        drop(self.guard.wait());
    }
}

/// Runs the guard process: prints the process ID of the server, and kills the server at the end of
/// standard input.
pub fn run(options: &GuardOptions) -> ExitCode {
    let Some((program, arguments)) = options.command.split_first() else {
        return ExitCode::FAILURE;
    };
    let code = guard_server(program, arguments);
    if let Some(directory) = &options.directory {
        drop(fs::remove_dir_all(directory));
    }
    code
}

fn guard_server(program: &OsStr, arguments: &[OsString]) -> ExitCode {
    let server = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    let mut server = match server {
        Ok(server) => server,
        Err(error) => {
            eprintln!("fanfare-bench: {}: {error}", program.to_string_lossy());
            return ExitCode::FAILURE;
        }
    };
    // The server is killed even if standard input or output fails.
    drop(await_end_of_input(server.id()));
    kill(server.id());
    drop(server.wait());
    ExitCode::SUCCESS
}

/// Kills a server and all processes that it has started.
fn kill(pid: u32) {
    let tree = Process::new(pid).map_or_else(|_| vec![pid], Process::tree);
    let pids = tree.iter().map(ToString::to_string);
    let command = ["-c", "kill -s KILL \"$@\"", "sh"].map(str::to_owned);
    drop(
        Command::new("sh")
            .args(command.into_iter().chain(pids))
            .status(),
    );
}

/// Prints the process ID of the server and waits for the end of standard input.
fn await_end_of_input(pid: u32) -> io::Result<()> {
    let mut output = io::stdout();
    writeln!(output, "{pid}")?;
    output.flush()?;
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
