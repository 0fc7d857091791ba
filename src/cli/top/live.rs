//! The interactive mode: sets up the terminal, draws, reads keys, and restores the terminal, also
//! after a panic. A separate thread queries the node, so that keys work while the node does not
//! respond.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::style::Stylize as _;
use ratatui::text::Line;
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::flag;

use super::error::TopError;
use super::model::Screen;
use super::node::{Node, Sample};
use super::view;

/// Longest delay between a new sample or a key press and its effect on the screen.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Shows the node until a key or a signal ends the program. The first sample is taken before the
/// terminal is set up, so that its errors are printed as ordinary messages.
pub(super) fn run(node: Node, interval: Duration) -> Result<(), TopError> {
    let first = node.sample()?;
    let samples = start_sampler(node, interval);
    let is_ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&is_ended)).map_err(TopError::Terminal)?;
    }
    let mut terminal = ratatui::try_init().map_err(TopError::Terminal)?;
    let outcome = watch(&mut terminal, first, &samples, &is_ended);
    drop(terminal);
    ratatui::try_restore().map_err(TopError::Terminal)?;
    outcome
}

/// Starts the thread that queries the node once per interval. The thread ends when the receiver is
/// dropped.
fn start_sampler(node: Node, interval: Duration) -> Receiver<Result<Sample, TopError>> {
    let (sender, receiver) = sync_channel(1);
    thread::spawn(move || {
        loop {
            thread::sleep(interval);
            if sender.send(node.sample()).is_err() {
                return;
            }
        }
    });
    receiver
}

fn watch(
    terminal: &mut DefaultTerminal,
    first: Sample,
    samples: &Receiver<Result<Sample, TopError>>,
    is_ended: &AtomicBool,
) -> Result<(), TopError> {
    let mut screen = Screen::of(None, &first);
    let mut latest = first;
    let mut is_new = true;
    while !is_ended.load(Ordering::Relaxed) {
        if is_new {
            draw(terminal, &screen)?;
        }
        is_new = match samples.recv_timeout(POLL_INTERVAL) {
            Ok(Ok(sample)) => {
                screen = Screen::of(Some(&latest), &sample);
                latest = sample;
                true
            }
            // The node may recover. The figures of the last sample stay on the screen.
            Ok(Err(error)) => {
                screen.error = Some(error.to_string());
                true
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return Err(TopError::SamplerEnded),
        };
        while event::poll(Duration::ZERO).map_err(TopError::Terminal)? {
            match event::read().map_err(TopError::Terminal)? {
                Event::Key(key) if is_quit(key) => return Ok(()),
                Event::Resize(..) => is_new = true,
                _ => {}
            }
        }
    }
    Ok(())
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
