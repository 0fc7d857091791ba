//! Replies of the client protocol. Receiving thread.

use crate::targets::protobuf;

/// Returns whether a reply, in JSON or in Protobuf, reports that its command failed.
pub fn is_error(reply: &[u8]) -> bool {
    const MEMBER: &[u8] = br#""error":"#;
    if !reply.starts_with(b"{") {
        return protobuf::is_error(reply);
    }
    reply.windows(MEMBER.len()).any(|window| window == MEMBER)
}
