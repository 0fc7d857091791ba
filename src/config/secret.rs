//! Comparing what somebody sent with a secret of the configuration. Any core.

/// Compares in a time that depends on the lengths only, so that it tells nothing of the secret.
pub fn same_secret(one: &[u8], other: &[u8]) -> bool {
    let differences = one
        .iter()
        .zip(other)
        .fold(0, |all, (one, other)| all | (one ^ other));
    one.len() == other.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_bytes_are_the_same() {
        assert!(same_secret(b"", b"") && same_secret(b"secret", b"secret"));
        for other in [&b""[..], b"secre", b"secret1", b"Secret", b"secreT"] {
            assert!(!same_secret(b"secret", other));
        }
    }
}
