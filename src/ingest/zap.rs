//! Who may publish: networks and passwords, asked by libzmq for every connection (ZAP, ZeroMQ
//! RFC 27). Ingest core.

use std::net::IpAddr;

use ipnet::IpNet;
use zmq::{Context, DONTWAIT, Socket};

use crate::config::{Ingest, same_secret};

use super::sockets::{send, uninterrupted};

/// The domain that our sockets name; any word will do.
pub(super) const DOMAIN: &str = "fanfare";

/// Where libzmq asks.
const ENDPOINT: &str = "inproc://zeromq.zap.01";

/// What became of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Admitted,
    DeniedAddress,
    DeniedPassword,
}

/// The socket that libzmq asks, and the rules.
pub(super) struct Gate {
    pub(super) socket: Socket,
    rules: Rules,
}

impl Gate {
    /// `None`: nothing is restricted, so nobody needs to be asked.
    pub(super) fn open(context: &Context, ingest: &Ingest) -> Result<Option<Self>, zmq::Error> {
        if ingest.allow.is_empty() && ingest.plain.is_empty() {
            return Ok(None);
        }
        let socket = context.socket(zmq::REP)?;
        socket.bind(ENDPOINT)?;
        Ok(Some(Self {
            socket,
            rules: Rules::new(ingest),
        }))
    }

    /// Answers one question. `None`: there is none.
    pub(super) fn answer(&self) -> Option<Admission> {
        let mut question = Vec::new();
        while question.is_empty() || self.socket.get_rcvmore().ok()? {
            question.push(uninterrupted(|| self.socket.recv_bytes(DONTWAIT)).ok()?);
        }
        let admission = self.rules.admit(&question);
        let (code, text) = match admission {
            Admission::Admitted => ("200", "OK"),
            Admission::DeniedAddress => ("400", "address not in ingest.allow"),
            Admission::DeniedPassword => ("400", "user or password not in ingest.plain"),
        };
        let id = question.get(1).map_or(&b""[..], Vec::as_slice);
        let answer: [&[u8]; 6] = [b"1.0", id, code.as_bytes(), text.as_bytes(), b"", b""];
        // The asker is this process: if it went away, nobody waits for the answer.
        let _ = send(&self.socket, &answer);
        Some(admission)
    }
}

struct Rules {
    allow: Vec<IpNet>,
    plain: Vec<String>,
}

impl Rules {
    fn new(ingest: &Ingest) -> Self {
        Self {
            allow: ingest.allow.clone(),
            plain: ingest.plain.clone(),
        }
    }

    /// `[version, id, domain, address, identity, mechanism, credentials...]`.
    fn admit(&self, question: &[Vec<u8>]) -> Admission {
        let [_, _, _, address, _, mechanism, credentials @ ..] = question else {
            return Admission::DeniedAddress;
        };
        if !self.knows(address) {
            return Admission::DeniedAddress;
        }
        if self.plain.is_empty() {
            return Admission::Admitted;
        }
        let known = match (mechanism.as_slice(), credentials) {
            (b"PLAIN", [user, password]) => {
                let given = [user.as_slice(), password].join(&b':');
                // Every pair is compared in full, so that the time taken tells nothing of them.
                self.plain.iter().fold(false, |known, pair| {
                    known | same_secret(pair.as_bytes(), &given)
                })
            }
            _ => false,
        };
        if known {
            Admission::Admitted
        } else {
            Admission::DeniedPassword
        }
    }

    /// An `ipc://` peer has been let in by its file's mode. libzmq gives numbers for IP peers only,
    /// and for these the C library's word for a Unix socket, or nothing.
    fn knows(&self, address: &[u8]) -> bool {
        if self.allow.is_empty() || matches!(address, b"" | b"localhost") {
            return true;
        }
        let address = str::from_utf8(address)
            .ok()
            .and_then(|text| text.parse::<IpAddr>().ok());
        address.is_some_and(|address| {
            let address = address.to_canonical();
            self.allow.iter().any(|network| network.contains(&address))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(address: &str, mechanism: &str, credentials: &[&str]) -> Vec<Vec<u8>> {
        let fixed = ["1.0", "1", DOMAIN, address, "", mechanism];
        fixed
            .iter()
            .chain(credentials)
            .map(|part| part.as_bytes().to_vec())
            .collect()
    }

    fn rules(allow: &[&str], plain: &[&str]) -> Rules {
        Rules {
            allow: allow
                .iter()
                .map(|network| network.parse().unwrap())
                .collect(),
            plain: plain.iter().map(|pair| (*pair).into()).collect(),
        }
    }

    #[test]
    fn only_listed_networks_are_admitted() {
        let rules = rules(&["10.1.0.0/16", "::1/128"], &[]);
        let admit = |address| rules.admit(&question(address, "NULL", &[]));
        assert_eq!(admit("10.1.2.3"), Admission::Admitted);
        assert_eq!(admit("::ffff:10.1.2.3"), Admission::Admitted);
        assert_eq!(admit("::1"), Admission::Admitted);
        assert_eq!(admit(""), Admission::Admitted);
        assert_eq!(admit("localhost"), Admission::Admitted);
        assert_eq!(admit("10.2.2.3"), Admission::DeniedAddress);
        assert_eq!(admit("garbage"), Admission::DeniedAddress);
    }

    #[test]
    fn only_listed_pairs_are_admitted() {
        let rules = rules(&[], &["ann:secret", "bob:with:colon"]);
        let admit = |user, word| rules.admit(&question("10.1.2.3", "PLAIN", &[user, word]));
        assert_eq!(admit("ann", "secret"), Admission::Admitted);
        assert_eq!(admit("bob", "with:colon"), Admission::Admitted);
        assert_eq!(admit("ann", "Secret"), Admission::DeniedPassword);
        assert_eq!(admit("ann", ""), Admission::DeniedPassword);
        let null = question("10.1.2.3", "NULL", &[]);
        assert_eq!(rules.admit(&null), Admission::DeniedPassword);
    }

    #[test]
    fn a_malformed_question_is_denied() {
        assert_eq!(rules(&[], &["a:b"]).admit(&[]), Admission::DeniedAddress);
    }
}
