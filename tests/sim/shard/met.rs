//! What happened in a run, so that runs that never met what they simulate are noticed.

macro_rules! met {
    ($($(#[$meta:meta])* $field:ident,)*) => {
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Met {
            $($(#[$meta])* pub $field: u64,)*
        }

        impl Met {
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }

            /// Whether everything happened.
            pub fn is_complete(&self) -> bool {
                let is_met = [$(self.$field),*].iter().all(|count| *count > 0);
                is_met && self.refused_unread > self.refused
            }
        }
    };
}

met! {
    accepts_failed,
    accept_cancels,
    /// Connections that were refused for lack of descriptors.
    refused,
    /// Connections that were closed without a receive: at the limit of the hub, or as `refused`.
    refused_unread,
    /// Receives that found no buffer.
    buffers_missing,
    /// Multishot receives that ended and could go on.
    receives_ended_early,
    short_sends,
    /// Sends that took nothing, because the socket was full or the kernel lacked memory.
    sends_postponed,
    submits_postponed,
    /// Completions that found no room in the completion queue.
    completions_postponed,
    /// Short sleeps that a completion ended.
    short_sleeps_ended,
    executor_sleeps,
    /// Surveys that were answered.
    surveys,
    /// Connections from inside of the process.
    internal,
}
