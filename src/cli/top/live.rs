//! The terminal: takes it, draws, reads keys, gives it back, also when something panics. The node
//! is asked on a thread of its own, so that a node that hangs does not hold a key up.

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

use super::Fault;
use super::model::Screen;
use super::node::{Node, Sample};
use super::view;

/// How long a new sample may wait for the screen, and a key for its effect.
const BEAT: Duration = Duration::from_millis(50);

/// Shows the node until a key or a signal ends it. The first sample is taken before the terminal
/// is, so that what is wrong from the start is an ordinary message.
pub(super) fn run(node: Node, interval: Duration) -> Result<(), Fault> {
    let first = node.sample()?;
    let samples = sampler(node, interval);
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&ended)).map_err(Fault::Terminal)?;
    }
    let mut terminal = ratatui::try_init().map_err(Fault::Terminal)?;
    let outcome = watch(&mut terminal, first, &samples, &ended);
    drop(terminal);
    ratatui::try_restore().map_err(Fault::Terminal)?;
    outcome
}

/// Asks once in every interval, until nobody listens any more.
fn sampler(node: Node, interval: Duration) -> Receiver<Result<Sample, Fault>> {
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
    samples: &Receiver<Result<Sample, Fault>>,
    ended: &AtomicBool,
) -> Result<(), Fault> {
    let mut screen = Screen::of(None, &first);
    let mut latest = first;
    let mut is_new = true;
    while !ended.load(Ordering::Relaxed) {
        if is_new {
            draw(terminal, &screen)?;
        }
        is_new = match samples.recv_timeout(BEAT) {
            Ok(Ok(sample)) => {
                screen = Screen::of(Some(&latest), &sample);
                latest = sample;
                true
            }
            // It may come back; what it said last stays.
            Ok(Err(fault)) => {
                screen.fault = Some(fault.to_string());
                true
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return Err(Fault::Sampler),
        };
        while event::poll(Duration::ZERO).map_err(Fault::Terminal)? {
            match event::read().map_err(Fault::Terminal)? {
                Event::Key(key) if ends(key) => return Ok(()),
                Event::Resize(..) => is_new = true,
                _ => {}
            }
        }
    }
    Ok(())
}

fn draw(terminal: &mut DefaultTerminal, screen: &Screen) -> Result<(), Fault> {
    let drawn = terminal.draw(|frame| {
        let mut area = frame.area();
        area.height = area.height.saturating_sub(1);
        view::draw(screen, area, frame.buffer_mut());
        area.y = area.bottom();
        area.height = frame.area().height - area.height;
        frame.render_widget(Line::from("q quits").dim(), area);
    });
    drawn.map(drop).map_err(Fault::Terminal)
}

/// `q`, or Ctrl-C, which is only a key while the terminal is ours.
fn ends(key: KeyEvent) -> bool {
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers == KeyModifiers::CONTROL;
    key.kind == KeyEventKind::Press && (interrupt || key.code == KeyCode::Char('q'))
}
