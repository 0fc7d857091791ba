//! Counts of simulated events, so that runs in which some event never occurs are noticed.

macro_rules! events {
    ($($(#[$meta:meta])* $field:ident,)*) => {
        #[derive(Clone, Copy, Debug, Default)]
        pub struct EventCounts {
            $($(#[$meta])* pub $field: u64,)*
        }

        impl EventCounts {
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }

            /// Returns whether every event occurred.
            pub fn is_complete(&self) -> bool {
                let have_occurred = [$(self.$field),*].iter().all(|count| *count > 0);
                have_occurred && self.refused_unread > self.refused
            }
        }
    };
}

events! {
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
    /// Publications of clients that the ingest thread answered.
    submissions,
    /// Replies to publish commands that clients received.
    publish_replies,
}
