//! `[cpu]`: the use of the cores. Used by the main thread at start.

use crate::config::bounds::Bound::NotZero;
use crate::config::table::table;

table! {
    /// The use of the cores.
    pub struct CpuConfig at "cpu" {
        /// The number of shards. Each is one thread that is pinned to a core. `auto`: one less than
        /// the number of cores, but at least one.
        shards: Option<usize> as COUNT_OR_AUTO = None, Restart,
            NotZero("no connection could be served");
        /// The cores to use, also as ranges such as `"2-5"`. The first is for ingest and control,
        /// the others are for shards. Empty: all cores that the process may use.
        cores: Vec<usize> as CORES = Vec::new(), Restart;
    }
}
