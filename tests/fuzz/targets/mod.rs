//! The fuzz targets: functions of bytes that panic when the code under test is wrong.
//!
//! A new target is its file, its two lines here, and its `[[bin]]` in `tests/fuzz/Cargo.toml`.

pub mod frames;
pub mod handshake;

/// Calls a macro with the name of each target.
macro_rules! for_each_target {
    ($call:ident) => {
        $call!(frames);
        $call!(handshake);
    };
}
pub(crate) use for_each_target;
