//! The thread beside the data path: signals and the operators' HTTP port.

pub mod log;
