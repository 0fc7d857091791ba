//! Bounds on tokens of clients and on the keys that verify them. Used by the main thread, the
//! control thread and shard threads.

/// Maximum length of a token. Proxies commonly bound request heads, which may carry a token, to the
/// same length. The claims are base64 in it, so at most 6 KiB, and name at most 1,536 topics.
pub const TOKEN_BYTES: usize = 8 * 1024;

/// Length below which a secret for HMAC can be guessed. RFC 7518, section 3.2, requires as many
/// bytes as the hash has, which are 32 for HS256.
pub const HMAC_SECRET_BYTES: usize = 32;

/// Minimum length of an RSA key (RFC 7518, section 3.3).
pub const RSA_KEY_BITS_MIN: u32 = 2048;

/// Maximum length of an RSA key that the cryptographic library accepts. Such a key takes 0.2 ms to
/// verify one token.
pub const RSA_KEY_BITS_MAX: u32 = 8192;

/// Memory of a compiled `channel_regex`. Patterns of names need a few KiB.
pub const CHANNEL_REGEX_BYTES: usize = 256 * 1024;

/// Signatures that a shard remembers as right, for clients that connect again with the same tokens:
/// more than a shard usually has clients. They are kept in two halves, each of which just fills a
/// hash table of 32,768 slots, so that they use 2.2 MB.
pub const VERIFIED_TOKENS: usize = 56 * 1024;

/// Connections and subscriptions that a shard ends in one turn because they have expired. Tokens of
/// many clients may expire in the same second.
pub const EXPIRIES_PER_TURN: usize = 256;

/// Maximum number of bytes that a shard holds for all connections with a command that waits. A
/// connect command with a token has less than 1 KiB. Other commands may be longer.
pub const PARKED_BYTES: usize = 256 * 1024 * 1024;

/// Estimated time of a token that is malformed or that was verified before: parsing and SHA-256.
pub const TOKEN_MINIMUM_US: u32 = 1;

/// Estimated time to verify a token with HMAC, including its claims.
pub const HMAC_VERIFY_US: u32 = 3;

/// Estimated time to verify a token with an RSA key of 2048 bits.
pub const RSA_2048_VERIFY_US: u32 = 25;

/// Estimated time to verify a token with ES256.
pub const ES256_VERIFY_US: u32 = 60;

/// Estimated time to verify a token with ES384.
pub const ES384_VERIFY_US: u32 = 450;

/// Estimated time to verify a token with `EdDSA`.
pub const ED25519_VERIFY_US: u32 = 60;
