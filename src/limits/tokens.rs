//! Bounds on tokens of clients and on the keys that verify them. Used by the main thread, the
//! control thread and shard threads.

/// Maximum length of a token. Proxies commonly bound request heads, which may carry a token, to the
/// same length. The claims are base64 in it, so at most 6 KiB, and name at most 1,536 topics.
pub const TOKEN_BYTES: usize = 8 * 1024;

/// Maximum nesting of the header and of the claims of a token: a value of a claim, such as `info`,
/// may be nested as deep as a payload, within the object of the claims, `subs` and its topic.
pub const TOKEN_DEPTH: usize = super::JSON_DEPTH + 3;

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

/// Verified tokens that a shard remembers, so that clients that connect again with the same tokens
/// need no second verification. It is more than the clients of one shard, and uses 6 MiB at most.
pub const VERIFIED_TOKENS: usize = 64 * 1024;
