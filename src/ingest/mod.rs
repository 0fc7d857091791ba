//! Publications in. Ingest core.
//!
//! ```text
//! envelope  ZeroMQ multipart to publication, or a named rejection; no IO
//! ```

pub mod envelope;
