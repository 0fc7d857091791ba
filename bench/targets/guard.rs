//! Ends a server whatever happens to the load generator. Between the two stands this program once
//! more, as a guard: it starts the server, waits for the end of its own standard input, and kills
//! the server. The kernel closes that pipe on every way out, a SIGKILL included.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use clap::Args;

use crate::fault::Fault;
use crate::process::Process;

/// What the guard runs.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// A directory to delete at the end
    #[arg(long)]
    directory: Option<PathBuf>,
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// A server and its guard. Dropping it ends both.
#[derive(Debug)]
pub struct Guarded {
    guard: Child,
    pid: u32,
}

impl Guarded {
    /// Starts a program; it inherits the core of the calling thread.
    pub fn start(program: &OsStr, arguments: &[String]) -> Result<Self, Fault> {
        Self::start_in(None, program, arguments)
    }

    /// The same, with a directory that is deleted at the end.
    pub fn start_in(
        directory: Option<&Path>,
        program: &OsStr,
        arguments: &[String],
    ) -> Result<Self, Fault> {
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
            // A Ctrl-C is for the load generator; the guard must live to act on it.
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
        Err(Fault::Start(program.to_string_lossy().into_owned()))
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the server has ended by itself.
    pub fn has_ended(&self) -> bool {
        Process::new(self.pid).map_or(true, Process::has_ended)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // It ends within a moment of that; if it cannot be waited for, it is gone already.
        drop(self.guard.wait());
    }
}

/// The guard itself: tells the server's process id, and kills the server at the end of the input.
pub fn run(options: &Options) -> ExitCode {
    let Some((program, arguments)) = options.command.split_first() else {
        return ExitCode::FAILURE;
    };
    let code = guard(program, arguments);
    if let Some(directory) = &options.directory {
        drop(fs::remove_dir_all(directory));
    }
    code
}

fn guard(program: &OsStr, arguments: &[OsString]) -> ExitCode {
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
    // Whatever goes wrong from here on, the server is ended.
    drop(watch(server.id()));
    end(server.id());
    drop(server.wait());
    ExitCode::SUCCESS
}

/// Kills a server and all that it has started.
fn end(pid: u32) {
    let tree = Process::new(pid).map_or_else(|_| vec![pid], Process::tree);
    let pids = tree.iter().map(ToString::to_string);
    let kill = ["-c", "kill -s KILL \"$@\"", "sh"].map(str::to_owned);
    drop(
        Command::new("sh")
            .args(kill.into_iter().chain(pids))
            .status(),
    );
}

fn watch(pid: u32) -> io::Result<()> {
    let mut output = io::stdout();
    writeln!(output, "{pid}")?;
    output.flush()?;
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
