//! The interactive mode: sets up the terminal, draws, and restores the terminal, also after a
//! panic and before a signal ends the program. Two other threads query the node and read the
//! terminal. The main thread waits at most [`POLL_INTERVAL`] for their results and then checks for
//! signals and for a closed terminal. Therefore a node or a terminal that does not respond cannot
//! keep the program from ending.

use std::io::{self, ErrorKind};
use std::mem;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::style::Stylize as _;
use ratatui::text::Line;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::{flag, low_level};

use super::error::TopError;
use super::model::Screen;
use super::node::{Node, Sample};
use super::view;

/// Longest delay between a signal or the end of the terminal and the end of the program.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Time in which a node answers. A shard that does not answer delays `/connections` by 2 s.
const ANSWER_TIME: Duration = Duration::from_secs(3);

/// Inputs that may wait for the main thread. A thread with one more input waits for room.
const INPUTS: usize = 16;

/// An input of the main thread.
enum Input {
    Sample(Result<Box<Sample>, TopError>),
    Terminal(io::Result<Event>),
}

/// The reason why the screen is no longer shown.
enum End {
    Key,
    /// The signal with this number.
    Signal(i32),
    /// The terminal was closed. It can no longer be restored.
    TerminalClosed,
}

/// Shows the node until a key, a signal or the end of the terminal ends the program. The first
/// sample is taken before the terminal is set up, so that its errors are printed as ordinary
/// messages. A signal ends the process as if it were not handled, so that a shell or a script sees
/// that a signal ended it; in this case the function does not return.
pub(super) fn run(node: Node, interval: Duration) -> Result<(), TopError> {
    let first = node.sample()?;
    let signals = Signals::watch().map_err(TopError::Terminal)?;
    let mut hangup = Hangup::watch_stdin().map_err(TopError::Terminal)?;
    let mut terminal = ratatui::try_init().map_err(TopError::Terminal)?;
    let inputs = start_threads(node, interval);
    let overdue = interval + ANSWER_TIME;
    let outcome = watch(
        &mut terminal,
        first,
        &inputs,
        overdue,
        &signals,
        &mut hangup,
    );
    if terminal.show_cursor().is_err() {
        // The destructor would try it again and panic, because stderr is usually closed as well.
        mem::forget(terminal);
    }
    let is_closed = matches!(outcome, Ok(End::TerminalClosed)) || hangup.has_happened();
    match ratatui::try_restore() {
        Err(error) if !is_closed => return Err(TopError::Terminal(error)),
        _ => {}
    }
    match outcome {
        Ok(End::Signal(number)) => {
            low_level::emulate_default_handler(number).map_err(TopError::Terminal)
        }
        // A closed terminal also makes drawing fail.
        Err(_) if is_closed => Ok(()),
        outcome => outcome.map(drop),
    }
}

/// Starts the threads that query the node once per interval and read the terminal. They end with
/// the process: the library that reads the terminal never returns if the terminal is closed.
fn start_threads(node: Node, interval: Duration) -> Receiver<Input> {
    let (sender, receiver) = sync_channel(INPUTS);
    let samples: SyncSender<Input> = sender.clone();
    thread::spawn(move || {
        loop {
            thread::sleep(interval);
            if samples
                .send(Input::Sample(node.sample().map(Box::new)))
                .is_err()
            {
                return;
            }
        }
    });
    thread::spawn(move || {
        loop {
            let event = event::read();
            let is_lost = event.is_err();
            if sender.send(Input::Terminal(event)).is_err() || is_lost {
                return;
            }
        }
    });
    receiver
}

/// Draws what the threads report, until something ends the program. After `overdue` without an
/// answer of the node, the figures are marked as old.
fn watch(
    terminal: &mut DefaultTerminal,
    first: Sample,
    inputs: &Receiver<Input>,
    overdue: Duration,
    signals: &Signals,
    hangup: &mut Hangup,
) -> Result<End, TopError> {
    let mut screen = Screen::of(None, &first);
    let mut latest = Some(first);
    let mut answered = Instant::now();
    let mut is_new = true;
    loop {
        if let Some(number) = signals.received() {
            return Ok(End::Signal(number));
        }
        if hangup.has_happened() {
            return Ok(End::TerminalClosed);
        }
        if is_new {
            draw(terminal, &screen)?;
        }
        is_new = match inputs.recv_timeout(POLL_INTERVAL) {
            Ok(Input::Sample(Ok(sample))) => {
                screen = Screen::of(latest.as_ref(), &sample);
                latest = Some(*sample);
                answered = Instant::now();
                true
            }
            // The node may return. The last figures stay on the screen and are marked as old. The
            // node may also be another process then, so no rates are computed from them.
            Ok(Input::Sample(Err(error))) => {
                screen.error = Some(error.to_string());
                latest = None;
                true
            }
            Ok(Input::Terminal(event)) => match event.map_err(TopError::Terminal)? {
                Event::Key(key) if is_quit(key) => return Ok(End::Key),
                Event::Resize(..) => true,
                _ => false,
            },
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return Err(TopError::ThreadsEnded),
        };
        let age = answered.elapsed();
        let is_outdated = screen.error.is_some() || age > overdue;
        let outdated_s = is_outdated.then_some(age.as_secs());
        is_new |= outdated_s != screen.outdated_s;
        screen.outdated_s = outdated_s;
    }
}

/// The numbers of the signals that end the program after the terminal is restored, each with
/// whether it was received.
struct Signals([(i32, Arc<AtomicBool>); 4]);

impl Signals {
    /// Installs the handlers. From here on the signals do not end the process by themselves.
    fn watch() -> io::Result<Self> {
        let signals = [SIGHUP, SIGINT, SIGQUIT, SIGTERM].map(|number| (number, Arc::default()));
        for (number, is_received) in &signals {
            flag::register(*number, Arc::clone(is_received))?;
        }
        Ok(Self(signals))
    }

    fn received(&self) -> Option<i32> {
        let mut received = self
            .0
            .iter()
            .filter(|(_, flag)| flag.load(Ordering::Relaxed));
        received.next().map(|(number, _)| *number)
    }
}

/// Detects that the terminal on stdin was closed: `POLLHUP` of poll(2). SIGHUP does not always
/// report it, because the terminal need not be the controlling one and SIGHUP may be ignored.
struct Hangup {
    poll: Poll,
    has_happened: bool,
}

impl Hangup {
    fn watch_stdin() -> io::Result<Self> {
        let poll = Poll::new()?;
        let stdin = io::stdin().as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&stdin), Token(0), Interest::READABLE)?;
        Ok(Self {
            poll,
            has_happened: false,
        })
    }

    fn has_happened(&mut self) -> bool {
        let mut events = Events::with_capacity(1);
        self.has_happened |= match self.poll.poll(&mut events, Some(Duration::ZERO)) {
            Ok(()) => events.iter().any(mio::event::Event::is_read_closed),
            Err(error) => error.kind() != ErrorKind::Interrupted,
        };
        self.has_happened
    }
}

fn draw(terminal: &mut DefaultTerminal, screen: &Screen) -> Result<(), TopError> {
    let drawn = terminal.draw(|frame| {
        let mut area = frame.area();
        area.height = area.height.saturating_sub(1);
        view::draw(screen, area, frame.buffer_mut());
        area.y = area.bottom();
        area.height = frame.area().height - area.height;
        frame.render_widget(Line::from("q quits").dim(), area);
    });
    drawn.map(drop).map_err(TopError::Terminal)
}

/// Returns whether a key ends the program: `q` or Ctrl-C. In raw mode Ctrl-C does not send a
/// signal.
fn is_quit(key: KeyEvent) -> bool {
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers == KeyModifiers::CONTROL;
    key.kind == KeyEventKind::Press && (interrupt || key.code == KeyCode::Char('q'))
}
