//! A client of the admin port of a running node, for the command line and the load generator: one
//! request per connection, blocking. Any thread except those of a running engine.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use crate::limits::{ADMIN_ANSWER_BYTES, ADMIN_CLIENT_TIMEOUT};
use crate::observe::Clock;

/// Why a request to the admin port failed.
#[derive(Debug, thiserror::Error)]
pub enum AdminClientError {
    #[error("{0} is no http://HOST:PORT; the admin port does not speak TLS")]
    Address(String),
    #[error("{address}: {error}; is `fanfare serve` running, and is this its admin.listen?")]
    Connect { address: String, error: io::Error },
    #[error("{address}: the response was not received: {error}")]
    Lost { address: String, error: io::Error },
    #[error("{0} answered with something that is not HTTP; is this its admin.listen?")]
    NotHttp(String),
    #[error("{0} requires its admin.token; give --token or set FANFARE_ADMIN_TOKEN")]
    Token(String),
    #[error(
        "{address} has no {target}; is this its admin.listen, and the node as new as this program?"
    )]
    Missing { address: String, target: String },
    #[error("{address}{target}: HTTP status {status}: {text}")]
    Refused {
        address: String,
        target: String,
        status: u16,
        text: String,
    },
}

/// The address of an admin port and the token that it requires.
#[derive(Clone, Debug)]
pub struct AdminClient {
    /// HOST:PORT.
    address: String,
    token: Option<String>,
}

/// An HTTP response of the admin port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminResponse {
    pub status: u16,
    pub body: String,
}

impl AdminClient {
    /// Parses `url`, which is `http://HOST:PORT` or `HOST:PORT`. Does not connect yet.
    pub fn new(url: &str, token: Option<String>) -> Result<Self, AdminClientError> {
        let address = url.strip_prefix("http://").unwrap_or(url);
        let address = address.strip_suffix('/').unwrap_or(address);
        let port = address.rsplit_once(':').map(|(_, port)| port.parse());
        let has_port = matches!(port, Some(Ok(1..=u16::MAX)));
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_address = is_plain(address) && !address.contains('/');
        // A line break in the token would end the header.
        let token_fits = token.as_deref().is_none_or(is_plain);
        if !has_port || !is_address || !token_fits {
            return Err(AdminClientError::Address(url.to_owned()));
        }
        Ok(Self {
            address: address.to_owned(),
            token,
        })
    }

    /// Returns HOST:PORT.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sends a GET request and returns the body. A status other than 200 is an error.
    pub fn get(&self, target: &str) -> Result<String, AdminClientError> {
        let response = self.request("GET", target)?;
        if response.status == 200 {
            return Ok(response.body);
        }
        Err(self.status_error(target, &response))
    }

    /// Sends a request without a body and returns the response, whatever its status. Only status
    /// 401 is an error: the token is missing or wrong.
    pub fn request(&self, method: &str, target: &str) -> Result<AdminResponse, AdminClientError> {
        let response = self.exchange(method, target)?;
        match response.status {
            401 => Err(AdminClientError::Token(self.address.clone())),
            _ => Ok(response),
        }
    }

    /// Returns the error that describes a response with a status that the caller did not expect.
    pub fn status_error(&self, target: &str, response: &AdminResponse) -> AdminClientError {
        let (address, target) = (self.address.clone(), target.to_owned());
        if response.status == 404 {
            return AdminClientError::Missing { address, target };
        }
        AdminClientError::Refused {
            address,
            target,
            status: response.status,
            text: response.body.lines().next().unwrap_or_default().to_owned(),
        }
    }

    fn exchange(&self, method: &str, target: &str) -> Result<AdminResponse, AdminClientError> {
        let mut stream = self.connect().map_err(|error| AdminClientError::Connect {
            address: self.address.clone(),
            error,
        })?;
        let authorization = match &self.token {
            Some(token) => format!("Authorization: Bearer {token}\r\n"),
            None => String::new(),
        };
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             {authorization}Content-Length: 0\r\n\r\n",
            self.address
        );
        let bytes = stream
            .write_all(request.as_bytes())
            .and_then(|()| read_response(&stream, ADMIN_CLIENT_TIMEOUT))
            .map_err(|error| AdminClientError::Lost {
                address: self.address.clone(),
                error,
            })?;
        parse(&bytes).ok_or_else(|| AdminClientError::NotHttp(self.address.clone()))
    }

    /// Connects to the first address of the host that accepts.
    fn connect(&self) -> io::Result<TcpStream> {
        let mut last_error = ErrorKind::NotFound.into();
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, ADMIN_CLIENT_TIMEOUT) {
                Ok(stream) => {
                    stream.set_write_timeout(Some(ADMIN_CLIENT_TIMEOUT))?;
                    return Ok(stream);
                }
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }
}

/// Reads to the end of the stream, which all reads together must reach within the timeout, and at
/// most [`ADMIN_ANSWER_BYTES`].
fn read_response(mut stream: &TcpStream, timeout: Duration) -> io::Result<Vec<u8>> {
    let clock = Clock::start();
    let (mut bytes, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    while (bytes.len() as u64) < ADMIN_ANSWER_BYTES {
        let left = timeout.saturating_sub(Duration::from_micros(clock.now_us()));
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Linux reports a timeout as an operation that would block.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// Parses a complete HTTP response. Returns `None` for anything else. The admin port sends
/// `Content-Length`, so a chunked response is from another server.
fn parse(bytes: &[u8]) -> Option<AdminResponse> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let (version, rest) = head.lines().next()?.split_once(' ')?;
    let status = rest.get(..3)?.parse().ok()?;
    let header = |wanted: &str| {
        let mut pairs = head.lines().filter_map(|line| line.split_once(':'));
        let pair = pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        Some(pair.1.trim())
    };
    let length = header("content-length").map(str::parse);
    let is_complete = length.is_none_or(|length| length == Ok(body.len()));
    let is_chunked = header("transfer-encoding").is_some();
    if !version.starts_with("HTTP/1.") || !is_complete || is_chunked {
        return None;
    }
    Some(AdminResponse {
        status,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use super::*;

    /// Starts a server that answers one request with `answer`. Its thread returns the head of the
    /// request.
    fn server(answer: &'static str) -> (AdminClient, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serve = move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(head).unwrap()
        };
        let client = AdminClient::new(&url, Some("secret".into())).unwrap();
        (client, thread::spawn(serve))
    }

    #[test]
    fn addresses_are_parsed() {
        for good in ["http://127.0.0.1:8001", "[::1]:8001", "http://node:1/"] {
            assert!(AdminClient::new(good, None).is_ok(), "{good}");
        }
        for bad in [
            "",
            "node",
            "node:",
            "node:0",
            "node:70000",
            "https://node:1",
            "http://node:1/stats",
            "node:1\r\nX:1",
        ] {
            let error = AdminClient::new(bad, None).unwrap_err();
            assert!(matches!(error, AdminClientError::Address(_)), "{bad}");
        }
        assert!(AdminClient::new("node:1", Some("a\r\nb".into())).is_err());
    }

    #[test]
    fn a_request_carries_the_token_and_get_returns_the_body() {
        let (client, thread) = server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(client.get("/stats").unwrap(), "hi");
        let head = thread.join().unwrap();
        assert!(head.starts_with("GET /stats HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nAuthorization: Bearer secret\r\n"));
    }

    #[test]
    fn other_responses_are_errors_with_a_remedy() {
        for (answer, words) in [
            ("HTTP/1.1 401 Unauthorized\r\n\r\n", "--token"),
            (
                "HTTP/1.1 404 Not Found\r\n\r\nno such page\nat all",
                "has no /stats; is this its admin.listen",
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut off",
                "not HTTP",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "not HTTP",
            ),
            (
                "HTTP/1.1 421 Misdirected Request\r\n\r\nask by address\nor so",
                "421: ask by address",
            ),
            ("+PONG\r\n", "not HTTP"),
            ("", "not HTTP"),
        ] {
            let (client, thread) = server(answer);
            let error = client.get("/stats").unwrap_err().to_string();
            assert!(error.contains(words), "{answer:?}: {error}");
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_response_in_pieces_does_not_prolong_the_timeout() {
        const PIECES: usize = 100;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let pieces = thread::spawn(move || {
            for _ in 0..PIECES {
                if peer.write_all(b"x").is_err() {
                    break;
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        let read = read_response(&stream, Duration::from_millis(200));
        assert_eq!(read.unwrap_err().kind(), ErrorKind::TimedOut);
        drop(stream);
        pieces.join().unwrap();
    }

    #[test]
    fn the_error_names_an_address_where_nothing_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let error = AdminClient::new(&address, None)
            .unwrap()
            .get("/")
            .unwrap_err();
        assert!(error.to_string().starts_with(&address));
        assert!(error.to_string().contains("admin.listen"));
    }
}
