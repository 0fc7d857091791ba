//! The main file of all fuzz binaries. Each runs the target with its name.

#![no_main]

#[path = "targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    macro_rules! run_if_named {
        ($target:ident) => {
            if env!("CARGO_BIN_NAME") == stringify!($target) {
                targets::$target::$target(data);
            }
        };
    }
    targets::for_each_target!(run_if_named);
});
