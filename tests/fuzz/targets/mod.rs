//! The fuzz targets: functions of bytes that panic when the code under test is wrong.
//!
//! A new target needs a file, two lines in this file, and a `[[bin]]` in `tests/fuzz/Cargo.toml`.

pub mod commands;
pub mod deflate;
pub mod envelope;
pub mod frames;
pub mod handshake;
pub mod hook_answers;
pub mod key_sets;
pub mod protobuf;
pub mod tokens;

/// Calls a macro with the name of each target.
macro_rules! for_each_target {
    ($call:ident) => {
        $call!(commands);
        $call!(deflate);
        $call!(envelope);
        $call!(frames);
        $call!(handshake);
        $call!(hook_answers);
        $call!(key_sets);
        $call!(protobuf);
        $call!(tokens);
    };
}
pub(crate) use for_each_target;
