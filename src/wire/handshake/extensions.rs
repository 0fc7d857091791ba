//! Negotiation of permessage-deflate (RFC 7692, sections 5 and 7.1) by the header
//! `Sec-WebSocket-Extensions` (RFC 6455, section 9.1). Runs on every shard thread, once per
//! connection.
//!
//! Names are case-sensitive, as in nearly all implementations; the RFCs do not specify it.
//! Declining an offer in another case is safe. Accepting it is not: a client that does not
//! recognise the name in the response has to fail the connection.

use std::borrow::Cow;
use std::{fmt, mem};

use tungstenite::http::HeaderValue;
use tungstenite::http::header::GetAll;

use crate::limits;
use crate::wire::deflate::DeflateWindow;

const NAME: &[u8] = b"permessage-deflate";

/// An earlier draft of permessage-deflate. Only Netty offers it by this name; browsers offered it
/// as `x-webkit-deflate-frame`.
const NETTY_NAME: &[u8] = b"deflate-frame";

/// The offer of permessage-deflate in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeflateOffer {
    /// The request does not offer permessage-deflate.
    None,
    /// Every offer has to be declined, or the header is malformed before the first acceptable one.
    Declined,
    /// The first acceptable offer.
    Acceptable(AgreedDeflate),
}

/// The parameters of permessage-deflate on one connection: no context takeover in either direction,
/// and the limit of the server's window if the client requested one.
///
/// `Display` is the value of `Sec-WebSocket-Extensions` in the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgreedDeflate {
    server_max_window_bits: Option<u8>,
}

impl AgreedDeflate {
    /// Returns the window for messages to the client.
    pub fn window(self) -> DeflateWindow {
        match self.server_max_window_bits {
            None | Some(15) => DeflateWindow::Full,
            Some(_) => DeflateWindow::Narrow,
        }
    }
}

impl fmt::Display for AgreedDeflate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The response does not limit the client's window, since the inflater supports all sizes.
        out.write_str(
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        )?;
        match self.server_max_window_bits {
            // A requested limit is accepted by repeating it or a smaller one (section 7.1.2.1).
            Some(bits) => write!(out, "; server_max_window_bits={bits}"),
            None => Ok(()),
        }
    }
}

/// The client, as far as the names of the extensions that it offers identify it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    /// Netty fails the connection if the response has `client_no_context_takeover` and its offer
    /// did not, although RFC 7692, section 7.1.1.2, permits that response.
    Netty,
    Other,
}

/// Returns the first acceptable offer of all header lines, which are one list in the client's order
/// of preference.
///
/// RFC 6455, section 9.1, requires the server to fail a connection with a malformed header. Then
/// the client would fail at each attempt, while it works without extensions. So the offers before
/// the error are accepted, and the rest is declined.
pub(super) fn negotiate(lines: &GetAll<'_, HeaderValue>) -> DeflateOffer {
    first_acceptable(lines).unwrap_or(DeflateOffer::Declined)
}

fn first_acceptable(lines: &GetAll<'_, HeaderValue>) -> Result<DeflateOffer, Malformed> {
    let client = client(lines);
    let mut outcome = DeflateOffer::None;
    for line in lines {
        let mut reader = Reader::new(line.as_bytes());
        while !reader.rest.is_empty() {
            // Empty elements of a list are ignored (RFC 9110, section 5.6.1.2).
            if reader.skip(b',') {
                continue;
            }
            match extension(&mut reader, client)? {
                DeflateOffer::None => {}
                DeflateOffer::Declined => outcome = DeflateOffer::Declined,
                acceptable @ DeflateOffer::Acceptable(_) => return Ok(acceptable),
            }
        }
    }
    Ok(outcome)
}

/// Identifies the client. Reads the whole list, because [`NETTY_NAME`] follows the offer of
/// permessage-deflate. A comma in a quoted value counts as a separator, too; the worst effect is
/// that an offer is declined.
fn client(lines: &GetAll<'_, HeaderValue>) -> Client {
    let mut elements = lines
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    if elements.any(|element| element.trim_ascii() == NETTY_NAME) {
        Client::Netty
    } else {
        Client::Other
    }
}

/// Reads one element of the list. Returns [`DeflateOffer::None`] for another extension.
fn extension(reader: &mut Reader<'_>, client: Client) -> Result<DeflateOffer, Malformed> {
    let is_deflate = reader.token()? == NAME;
    let mut parameters = Some(Parameters::default());
    while reader.skip(b';') {
        let name = reader.token()?;
        let value = if reader.skip(b'=') {
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
        Some(offer) if client == Client::Netty && !offer.client_no_context_takeover => {
            DeflateOffer::Declined
        }
        Some(Parameters {
            server_max_window_bits,
            ..
        }) => DeflateOffer::Acceptable(AgreedDeflate {
            server_max_window_bits,
        }),
    })
}

/// The parameters of an offer that were read so far. A flag is set if the parameter is present.
#[derive(Default)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    client_max_window_bits: bool,
    server_max_window_bits: Option<u8>,
}

impl Parameters {
    /// Adds a parameter. Returns `None` if the offer has to be declined (RFC 7692, section 7.1):
    /// the parameter is unknown, repeated, invalid, or a window that is too small.
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

/// Parses a window size: 8 to 15 in decimal, without leading zeros (RFC 7692, section 7.1.2).
fn window_bits(value: &[u8]) -> Option<u8> {
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// The header violates the grammar of RFC 6455, section 9.1.
struct Malformed;

/// Reads a header line from left to right. Whitespace between tokens is skipped.
struct Reader<'a> {
    /// The unread part of the line. Invariant: it does not begin with whitespace.
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(line: &'a [u8]) -> Self {
        let mut reader = Self { rest: line };
        reader.advance(0);
        reader
    }

    /// Skips `bytes` bytes and the whitespace after them.
    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest[bytes..].trim_ascii_start();
    }

    /// Skips a separator if it is next. Returns whether it was.
    fn skip(&mut self, separator: u8) -> bool {
        let is_next = self.rest.first() == Some(&separator);
        if is_next {
            self.advance(1);
        }
        is_next
    }

    /// Reads a token, which must not be empty.
    fn token(&mut self) -> Result<&'a [u8], Malformed> {
        let end = self.rest.iter().position(|byte| !is_token(*byte));
        let token = &self.rest[..end.unwrap_or(self.rest.len())];
        if token.is_empty() {
            return Err(Malformed);
        }
        self.advance(token.len());
        Ok(token)
    }

    /// Reads a token, or a quoted string that is a token without its quotes and escapes.
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

/// Returns whether a token may contain this byte (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
