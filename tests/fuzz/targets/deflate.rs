//! Compression in both directions: a payload of a client is a violation or a bounded message, and a
//! compressed message inflates to the original.

use fanfare::wire::deflate::{DeflateWindow, Deflater, Inflater};

const MAX_MESSAGE: usize = 2048;

/// Inflates and compresses one input. The first byte selects the level and the window. The rest is
/// used as a payload and as a message.
pub fn deflate(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else {
        return;
    };
    let mut inflater = Inflater::default();
    let message = inflate(&mut inflater, bytes);
    // An inflater that was used before has the same result.
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
    let Some(payload) = deflater.deflate(message, window) else {
        return;
    };
    assert!(!payload.is_empty() && payload.len() < message.len());
    let mut whole = Inflater::default();
    assert_eq!(whole.inflate(payload, message.len()).unwrap(), message);
    // A truncated payload does not inflate to the complete message.
    let (_, truncated) = payload.split_last().unwrap();
    if let Ok(truncated) = inflater.inflate(truncated, MAX_MESSAGE) {
        assert!(truncated.len() < message.len());
    }
}
