//! Asks the admin port of a running node, as the command line and the load generator do: one
//! request to a connection, blocking. Any thread but a core's.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};

use crate::limits::{ADMIN_ANSWER_BYTES, ADMIN_CLIENT_TIMEOUT};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("{0} is no http://HOST:PORT; the admin port does not speak TLS")]
    Address(String),
    #[error("{address}: {error}; is `fanfare serve` running, and is this its admin.listen?")]
    Connect { address: String, error: io::Error },
    #[error("{address}: the answer did not come: {error}")]
    Lost { address: String, error: io::Error },
    #[error("{0} answered with something that is not HTTP; is this its admin.listen?")]
    NotHttp(String),
    #[error("{0} wants its admin.token; give --token or set FANFARE_ADMIN_TOKEN")]
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

/// Where a node's admin port is, and what it wants to see.
#[derive(Clone, Debug)]
pub struct Client {
    /// HOST:PORT.
    address: String,
    token: Option<String>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Client {
    /// `url` is `http://HOST:PORT` or `HOST:PORT`; nothing is connected yet.
    pub fn new(url: &str, token: Option<String>) -> Result<Self, Fault> {
        let address = url.strip_prefix("http://").unwrap_or(url);
        let address = address.strip_suffix('/').unwrap_or(address);
        let port = address.rsplit_once(':').map(|(_, port)| port.parse());
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let token_fits = token.as_deref().is_none_or(is_plain);
        let no_path = is_plain(address) && !address.contains('/');
        if !matches!(port, Some(Ok(1..=u16::MAX))) || !no_path || !token_fits {
            return Err(Fault::Address(url.to_owned()));
        }
        Ok(Self {
            address: address.to_owned(),
            token,
        })
    }

    /// HOST:PORT.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The body that answers a GET; any status but 200 is a fault.
    pub fn get(&self, target: &str) -> Result<String, Fault> {
        let answer = self.ask("GET", target)?;
        if answer.status == 200 {
            return Ok(answer.body);
        }
        Err(self.refused(target, &answer))
    }

    /// The answer to a request without a body, whatever its status. A missing or wrong token is
    /// a fault in any case.
    pub fn ask(&self, method: &str, target: &str) -> Result<Answer, Fault> {
        let answer = self.exchange(method, target)?;
        match answer.status {
            401 => Err(Fault::Token(self.address.clone())),
            _ => Ok(answer),
        }
    }

    /// The fault that an answer with an unwelcome status is.
    pub fn refused(&self, target: &str, answer: &Answer) -> Fault {
        let (address, target) = (self.address.clone(), target.to_owned());
        if answer.status == 404 {
            return Fault::Missing { address, target };
        }
        Fault::Refused {
            address,
            target,
            status: answer.status,
            text: answer.body.lines().next().unwrap_or_default().to_owned(),
        }
    }

    fn exchange(&self, method: &str, target: &str) -> Result<Answer, Fault> {
        let mut stream = self.connect().map_err(|error| Fault::Connect {
            address: self.address.clone(),
            error,
        })?;
        let authorization = self.token.as_ref();
        let authorization = authorization
            .map(|token| format!("Authorization: Bearer {token}\r\n"))
            .unwrap_or_default();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             {authorization}Content-Length: 0\r\n\r\n",
            self.address
        );
        let mut bytes = Vec::new();
        stream
            .write_all(request.as_bytes())
            .and_then(|()| stream.take(ADMIN_ANSWER_BYTES).read_to_end(&mut bytes))
            .map_err(|error| Fault::Lost {
                address: self.address.clone(),
                error,
            })?;
        parse(&bytes).ok_or_else(|| Fault::NotHttp(self.address.clone()))
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut failure = io::ErrorKind::NotFound.into();
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, ADMIN_CLIENT_TIMEOUT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(ADMIN_CLIENT_TIMEOUT))?;
                    stream.set_write_timeout(Some(ADMIN_CLIENT_TIMEOUT))?;
                    return Ok(stream);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// Reads an answer that is whole. Ours have a length; one in chunks comes from something else.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let (version, rest) = head.lines().next()?.split_once(' ')?;
    let status = rest.get(..3)?.parse().ok()?;
    let header = |wanted: &str| {
        let pairs = head.lines().filter_map(|line| line.split_once(':'));
        let mut named = pairs.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        named.next().map(|(_, value)| value.trim())
    };
    let length = header("content-length").map(str::parse);
    let whole = length.is_none_or(|length| length == Ok(body.len()));
    let readable = whole && header("transfer-encoding").is_none();
    (version.starts_with("HTTP/1.") && readable).then(|| Answer {
        status,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use super::*;

    /// A peer that answers one request like this; it returns the request's head.
    fn peer(answer: &'static str) -> (Client, JoinHandle<String>) {
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
        let client = Client::new(&url, Some("secret".into())).unwrap();
        (client, thread::spawn(serve))
    }

    #[test]
    fn addresses_are_read() {
        for good in ["http://127.0.0.1:8001", "[::1]:8001", "http://node:1/"] {
            assert!(Client::new(good, None).is_ok(), "{good}");
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
            let fault = Client::new(bad, None).unwrap_err();
            assert!(matches!(fault, Fault::Address(_)), "{bad}");
        }
        assert!(Client::new("node:1", Some("a\r\nb".into())).is_err());
    }

    #[test]
    fn a_request_shows_the_token_and_an_answer_its_body() {
        let (client, served) = peer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(client.get("/stats").unwrap(), "hi");
        let head = served.join().unwrap();
        assert!(head.starts_with("GET /stats HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nAuthorization: Bearer secret\r\n"));
    }

    #[test]
    fn other_answers_are_faults_that_say_what_to_do() {
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
            let (client, served) = peer(answer);
            let fault = client.get("/stats").unwrap_err().to_string();
            assert!(fault.contains(words), "{answer:?}: {fault}");
            served.join().unwrap();
        }
    }

    #[test]
    fn a_port_where_nobody_listens_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let fault = Client::new(&address, None).unwrap().get("/").unwrap_err();
        assert!(fault.to_string().starts_with(&address));
        assert!(fault.to_string().contains("admin.listen"));
    }
}
