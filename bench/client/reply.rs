//! Replies of the client protocol. Receiving thread.

/// Returns whether a reply reports that its command failed.
pub fn is_error(reply: &[u8]) -> bool {
    const MEMBER: &[u8] = br#""error":"#;
    reply.windows(MEMBER.len()).any(|window| window == MEMBER)
}
