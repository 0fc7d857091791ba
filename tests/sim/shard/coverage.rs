//! Counts the simulated events that have occurred. Runs in which some event does not occur prove
//! nothing about it.

macro_rules! coverage {
    ($($(#[$meta:meta])* $field:ident,)*) => {
        /// The number of occurrences of each event.
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Coverage {
            $($(#[$meta])* pub $field: u64,)*
        }

        impl Coverage {
            /// Adds the counts of another run.
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }

            /// Returns whether every event has occurred.
            pub fn is_complete(&self) -> bool {
                let all_occurred = [$(self.$field),*].iter().all(|count| *count > 0);
                all_occurred && self.refused_unread > self.refused
            }
        }
    };
}

coverage! {
    /// Accept operations that failed.
    accepts_failed,
    /// Accept operations that were cancelled.
    accept_cancels,
    /// Connections that were refused for lack of descriptors.
    refused,
    /// Connections that were closed before bytes were received: those counted in `refused`, and
    /// those that the hub refused at its limit.
    refused_unread,
    /// Receive operations that ended because no buffer was free.
    buffers_missing,
    /// Receive operations that ended before the end of the stream.
    receives_ended_early,
    /// Receive operations whose bytes were handled after a send on their connection had failed.
    received_after_failed_send,
    /// Connections that were not read until the next second, added up over all sleeps.
    paused,
    /// Sends that took only some of the bytes.
    short_sends,
    /// Sends that took no bytes, because the socket was full or the kernel was out of memory.
    sends_postponed,
    /// Submits that the kernel temporarily refused.
    submits_postponed,
    /// Completions for which the completion queue had no room.
    completions_postponed,
    /// Short sleeps that a completion ended.
    short_sleeps_ended,
    /// Sleeps in the executor.
    executor_sleeps,
    /// Surveys that were answered.
    surveys,
    /// Connections from inside the process.
    internal,
    /// Publications of clients that the ingest thread answered.
    submitted,
    /// Replies to publish commands that clients received.
    publish_replies,
    /// Questions about clients that the connect hook answered.
    hooks_answered,
}
