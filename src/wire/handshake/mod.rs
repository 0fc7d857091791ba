//! The HTTP part of a connection (RFC 6455, section 4; RFC 9112): a request head is parsed and is
//! answered by a 101 response or an error response. Used on every shard thread, once per
//! connection.

pub mod apple;
mod extensions;
mod origin;
mod parse;
mod query;
mod refusal;
mod request;

pub use extensions::{AgreedDeflate, DeflateOffer};
pub use parse::parse;
pub use refusal::{HttpRefusal, plain_response, without_body};
pub use request::HttpRequest;
