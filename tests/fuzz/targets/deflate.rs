//! Compression both ways: whatever a client sends is a fault or a bounded message, and whatever is
//! packed inflates to itself.

use fanfare::wire::deflate::{DeflateWindow, Deflater, Inflater};

const MAX_MESSAGE: usize = 2048;

/// The first byte is the level and the window; the rest is a payload, and a message.
pub fn deflate(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    let mut inflater = Inflater::default();
    let message = inflate(&mut inflater, bytes);
    // A used inflater says the same.
    assert_eq!(inflate(&mut inflater, bytes), message);

    let window = match choice & 1 {
        0 => DeflateWindow::Narrow,
        _ => DeflateWindow::Full,
    };
    let mut deflater = Deflater::new(1 + choice / 2 % 12, 0);
    if let Some(message) = message {
        check(&mut deflater, &mut inflater, &message, window);
    }
    check(&mut deflater, &mut inflater, bytes, window);
}

fn inflate(inflater: &mut Inflater, payload: &[u8]) -> Option<Vec<u8>> {
    let message = inflater.inflate(payload, MAX_MESSAGE);
    let message = message.ok().map(|message| message.to_vec());
    assert!(message.iter().all(|message| message.len() <= MAX_MESSAGE));
    assert!(inflater.held_bytes() <= MAX_MESSAGE + 1);
    message
}

fn check(deflater: &mut Deflater, inflater: &mut Inflater, message: &[u8], window: DeflateWindow) {
    let Some(packed) = deflater.deflate(message, window) else {
        return;
    };
    assert!(!packed.is_empty() && packed.len() < message.len());
    let mut whole = Inflater::default();
    assert_eq!(whole.inflate(packed, message.len()).unwrap(), message);
    // What is cut off is not taken for whole.
    let (_, cut) = packed.split_last().unwrap();
    if let Ok(cut) = inflater.inflate(cut, MAX_MESSAGE) {
        assert!(cut.len() < message.len());
    }
}
