//! Apple's clients and what permessage-deflate does to them, by `User-Agent`. Used on every shard
//! core, once per connection.
//!
//! All of them use the system's networking, so the system counts and not the name of the browser:
//! every browser of an iPhone has Apple's engine underneath, while Chrome and Firefox on macOS
//! bring their own. A client that hides its `User-Agent` gets no special treatment.

/// A family of clients with one history.
#[derive(Debug)]
pub struct Quirk {
    /// Who they are.
    pub what: &'static str,
    /// A `User-Agent` is theirs if it contains one of these,
    any_of: &'static [&'static str],
    /// all of these,
    all_of: &'static [&'static str],
    /// and none of these.
    none_of: &'static [&'static str],
    /// What goes wrong, and where it was reported.
    pub breaks: &'static str,
    /// From which version on, and until when.
    pub since: &'static str,
}

/// In the order of recognition.
pub const QUIRKS: [Quirk; 3] = [
    Quirk {
        what: "every WebKit view on iOS and iPadOS: Safari, Chrome, Firefox, Edge, apps",
        any_of: &["(iPhone", "(iPad", "(iPod"],
        all_of: &["AppleWebKit/"],
        none_of: &[],
        breaks: "messages both fragmented and compressed fail with 1002 or an inflate error \
                 (nats-server #2613, coder #8070, websocket-sharp #666, libwebsockets #3065); 15.0 \
                 to 15.3 also ignore client_no_context_takeover (uWebSockets #1347)",
        since: "iOS 15, the first to offer permessage-deflate; still reported in 2026",
    },
    Quirk {
        what: "Safari and WebKit views on macOS, and on iPads that ask for desktop sites",
        any_of: &["(Macintosh"],
        all_of: &["AppleWebKit/"],
        // Blink kept the word AppleWebKit and always adds its own.
        none_of: &["Chrome/", "Chromium/"],
        breaks: "as on iOS; Safari 13.1 could not read compressed text above some 100 bytes \
                 (coder/websocket #218)",
        since: "Safari 15, the first to offer it by this name; still reported in 2026",
    },
    Quirk {
        what: "apps over NSURLSession on any Apple system",
        any_of: &["CFNetwork/"],
        all_of: &["Darwin/"],
        none_of: &[],
        breaks: "as Safari, whose library it is; betas of iOS 14 and macOS 11 set RSV1 although \
                 nothing was agreed (dbussink/big-sur-websocket-bug)",
        since: "iOS 14 and macOS 11; still reported in 2026",
    },
];

/// The row of a client; `None` if it is not Apple's.
pub fn quirk(user_agent: &str) -> Option<&'static Quirk> {
    let has = |word: &&str| user_agent.contains(*word);
    QUIRKS.iter().find(|quirk| {
        quirk.any_of.iter().any(has)
            && quirk.all_of.iter().all(has)
            && !quirk.none_of.iter().any(has)
    })
}
