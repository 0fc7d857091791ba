//! The servers that a scenario can measure. Scenarios do not depend on the kind of server: the
//! trait `Target` hides the differences, and each server has its own file.

pub mod baseline;
pub mod context;
pub mod cores;
pub mod fanfare;
pub mod guard;
pub mod installed;
pub mod name;
pub mod nats;
pub mod nchan;
pub mod ports;
pub mod protobuf;
pub mod pushpin;
pub mod target;
pub mod tokens;
