//! Secrets of the configuration: user and password pairs, the tokens of the admin port and the keys
//! of the server API. Parsed when the configuration is read; compared on the ingest thread and the
//! control thread.

use std::fmt;

use crate::limits;

/// A user and a password for ZeroMQ PLAIN, written `user:password`.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainCredential {
    user: String,
    password: String,
}

impl PlainCredential {
    /// Parses a pair. The password may contain a `:`. The error completes the sentence
    /// "the entry ..." and does not contain the password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (user, password) = text
            .split_once(':')
            .ok_or("has no `:` between user and password")?;
        if user.is_empty() {
            return Err("has an empty user; write it as user:password");
        }
        if text.len() > limits::PLAIN_PAIR_BYTES {
            return Err("is too long for ZeroMQ PLAIN; use a shorter user or password");
        }
        Ok(Self {
            user: user.into(),
            password: password.into(),
        })
    }

    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the password, for a command that publishes to the node of the configuration.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Compares both parts in a time that depends only on their lengths.
    pub fn matches(&self, user: &[u8], password: &[u8]) -> bool {
        let is_user = equals_in_constant_time(self.user.as_bytes(), user);
        let is_password = equals_in_constant_time(self.password.as_bytes(), password);
        is_user & is_password
    }
}

/// Displays the user. The password is hidden, because the configuration may be logged.
impl fmt::Display for PlainCredential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:***", self.user)
    }
}

impl fmt::Debug for PlainCredential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The token of the admin port, sent as `Authorization: Bearer TOKEN`.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(String);

impl BearerToken {
    /// Parses a token. The error completes the sentence "the token ..." and does not contain the
    /// token.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        check_header_secret(text)?;
        Ok(Self(text.into()))
    }

    /// Returns the token, for a client of the admin port.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares in a time that depends only on the lengths.
    pub fn matches(&self, token: &[u8]) -> bool {
        equals_in_constant_time(self.0.as_bytes(), token)
    }
}

/// Hides the token, because the configuration may be logged.
impl fmt::Debug for BearerToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

/// A key of the server API, sent as `X-API-Key: KEY`.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Parses a key. The error completes the sentence "the entry ..." and does not contain the key.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        check_header_secret(text)?;
        Ok(Self(text.into()))
    }

    /// Compares in a time that depends only on the lengths.
    pub fn matches(&self, key: &[u8]) -> bool {
        equals_in_constant_time(self.0.as_bytes(), key)
    }
}

/// Hides the key, because the configuration may be logged.
impl fmt::Debug for ApiKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

/// Checks a secret that HTTP clients send in a header.
fn check_header_secret(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has characters that an HTTP header cannot carry");
    }
    Ok(())
}

/// Compares in a time that depends only on the lengths, so that the time does not reveal how much
/// of a guess is right.
fn equals_in_constant_time(secret: &[u8], given: &[u8]) -> bool {
    let differences = secret
        .iter()
        .zip(given)
        .fold(0, |all, (secret, given)| all | (secret ^ given));
    secret.len() == given.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_bytes_are_equal() {
        assert!(equals_in_constant_time(b"", b""));
        assert!(equals_in_constant_time(b"secret", b"secret"));
        for other in [&b""[..], b"secre", b"secret1", b"Secret", b"secreT"] {
            assert!(!equals_in_constant_time(b"secret", other));
        }
    }

    #[test]
    fn user_and_password_are_compared_separately() {
        let credential = PlainCredential::parse("bob:with:colon").expect("the pair is valid");
        assert!(credential.matches(b"bob", b"with:colon"));
        assert!(!credential.matches(b"bob:with", b"colon"));
        assert!(!credential.matches(b"bob", b""));
        assert_eq!(format!("{credential} {credential:?}"), "bob:*** bob:***");
    }
}
