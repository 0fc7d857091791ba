//! The negotiation of permessage-deflate (RFC 7692, sections 5 and 7.1) in the grammar of
//! `Sec-WebSocket-Extensions` (RFC 6455, section 9.1). Used on every shard core, once per
//! connection.
//!
//! Names are compared with case, as nearly every peer does. The RFCs leave it open, and declining
//! is the safe side: a client that wrote another spelling may not recognise ours in the answer,
//! and then it has to fail the connection.

use std::borrow::Cow;
use std::{fmt, mem};

use crate::limits;
use crate::wire::deflate::DeflateWindow;

const NAME: &[u8] = b"permessage-deflate";

/// What a request says about permessage-deflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeflateOffer {
    /// Not offered.
    None,
    /// Offered, but every offer has something that must be declined; or the header is malformed
    /// before any that is acceptable.
    Declined,
    /// The first offer that can be kept.
    Acceptable(AgreedDeflate),
}

/// permessage-deflate as agreed for one connection: no context takeover on either side, and the
/// bound on the server's window that the client asked for, if any.
///
/// `Display` is the value of the response's `Sec-WebSocket-Extensions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgreedDeflate {
    server_max_window_bits: Option<u8>,
}

impl AgreedDeflate {
    /// How far back what we send may refer.
    pub fn window(self) -> DeflateWindow {
        match self.server_max_window_bits {
            None | Some(15) => DeflateWindow::Full,
            Some(_) => DeflateWindow::Narrow,
        }
    }
}

impl fmt::Display for AgreedDeflate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `client_max_window_bits` is never answered: any window can be inflated.
        out.write_str(
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        )?;
        match self.server_max_window_bits {
            // Section 7.1.2.1: an offered bound is accepted by answering it or a smaller one.
            Some(bits) => write!(out, "; server_max_window_bits={bits}"),
            None => Ok(()),
        }
    }
}

/// Goes through the offers of all header lines, which are one list, in the client's order of
/// preference.
///
/// RFC 6455, section 9.1, would have the connection failed over a malformed header. That helps
/// nobody: the same client would fail again at each attempt, while without extensions it works.
/// So what stands before the fault counts, and the rest is declined.
pub(super) fn negotiate<'a>(lines: impl Iterator<Item = &'a [u8]>) -> DeflateOffer {
    first_acceptable(lines).unwrap_or(DeflateOffer::Declined)
}

fn first_acceptable<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<DeflateOffer, Malformed> {
    let mut outcome = DeflateOffer::None;
    for line in lines {
        let mut reader = Reader::new(line);
        while !reader.rest.is_empty() {
            // Empty elements of a list mean nothing (RFC 9110, section 5.6.1.2).
            if reader.take(b',') {
                continue;
            }
            match extension(&mut reader)? {
                DeflateOffer::None => {}
                DeflateOffer::Declined => outcome = DeflateOffer::Declined,
                acceptable @ DeflateOffer::Acceptable(_) => return Ok(acceptable),
            }
        }
    }
    Ok(outcome)
}

/// One element of the list, read to its end. Another extension is no offer.
fn extension(reader: &mut Reader<'_>) -> Result<DeflateOffer, Malformed> {
    let is_deflate = reader.token()? == NAME;
    let mut parameters = Some(Parameters::default());
    while reader.take(b';') {
        let name = reader.token()?;
        let value = if reader.take(b'=') {
            Some(reader.value()?)
        } else {
            None
        };
        parameters = parameters.and_then(|known| known.with(name, value.as_deref()));
    }
    if !matches!(reader.rest, [] | [b',', ..]) {
        return Err(Malformed);
    }
    Ok(match parameters {
        _ if !is_deflate => DeflateOffer::None,
        None => DeflateOffer::Declined,
        Some(Parameters {
            server_max_window_bits,
            ..
        }) => DeflateOffer::Acceptable(AgreedDeflate {
            server_max_window_bits,
        }),
    })
}

/// The parameters of one offer so far.
#[derive(Default)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    client_max_window_bits: bool,
    server_max_window_bits: Option<u8>,
}

impl Parameters {
    /// With one more. `None`: it is unknown, repeated, invalid, or a window too small to keep to,
    /// and the offer must be declined (RFC 7692, section 7.1).
    fn with(mut self, name: &[u8], value: Option<&[u8]>) -> Option<Self> {
        let is_repeated = match (name, value) {
            (b"server_no_context_takeover", None) => {
                mem::replace(&mut self.server_no_context_takeover, true)
            }
            (b"client_no_context_takeover", None) => {
                mem::replace(&mut self.client_no_context_takeover, true)
            }
            (b"client_max_window_bits", value) => {
                if let Some(value) = value {
                    window_bits(value)?;
                }
                mem::replace(&mut self.client_max_window_bits, true)
            }
            (b"server_max_window_bits", Some(value)) => {
                let bits =
                    window_bits(value).filter(|bits| *bits >= limits::DEFLATE_WINDOW_BITS)?;
                self.server_max_window_bits.replace(bits).is_some()
            }
            _ => return None,
        };
        (!is_repeated).then_some(self)
    }
}

/// 8 to 15 in decimal, without leading zeros (RFC 7692, section 7.1.2).
fn window_bits(value: &[u8]) -> Option<u8> {
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// The header is not what RFC 6455, section 9.1, allows.
struct Malformed;

/// Reads a header line from the left. Outside of tokens and quoted strings, spaces and tabs mean
/// nothing; `rest` never starts with one.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(line: &'a [u8]) -> Self {
        let mut reader = Self { rest: line };
        reader.advance(0);
        reader
    }

    /// Leaves behind `bytes` bytes, and the whitespace after them.
    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest[bytes..].trim_ascii_start();
    }

    /// Whether this separator comes next; if so, it is left behind.
    fn take(&mut self, separator: u8) -> bool {
        let is_next = self.rest.first() == Some(&separator);
        if is_next {
            self.advance(1);
        }
        is_next
    }

    fn token(&mut self) -> Result<&'a [u8], Malformed> {
        let end = self.rest.iter().position(|byte| !is_token(*byte));
        let token = &self.rest[..end.unwrap_or(self.rest.len())];
        if token.is_empty() {
            return Err(Malformed);
        }
        self.advance(token.len());
        Ok(token)
    }

    /// A token, or a quoted string that is a token once its quotes and escapes are gone.
    fn value(&mut self) -> Result<Cow<'a, [u8]>, Malformed> {
        let [b'"', quoted @ ..] = self.rest else {
            return self.token().map(Cow::Borrowed);
        };
        let mut value = Vec::new();
        let mut rest = quoted;
        loop {
            rest = match rest {
                [b'"', after @ ..] if !value.is_empty() => {
                    self.rest = after;
                    self.advance(0);
                    return Ok(Cow::Owned(value));
                }
                [b'\\', byte, after @ ..] | [byte, after @ ..] if is_token(*byte) => {
                    value.push(*byte);
                    after
                }
                _ => return Err(Malformed),
            };
        }
    }
}

/// A byte that may stand in a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
