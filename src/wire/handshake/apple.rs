//! Apple's clients that fail with permessage-deflate, recognised by `User-Agent`. Used on every
//! shard thread, once per connection.
//!
//! These clients use the networking library of the system. So the operating system determines
//! whether a client has the fault, not the name of the browser: all browsers on an iPhone use
//! Apple's engine, while Chrome and Firefox on macOS have engines of their own. A client without
//! `User-Agent` gets no special treatment.

/// A family of clients with the same fault.
#[derive(Debug)]
pub struct Quirk {
    /// Description of the clients.
    pub clients: &'static str,
    /// The `User-Agent` contains at least one of these.
    any_of: &'static [&'static str],
    /// The `User-Agent` contains all of these.
    all_of: &'static [&'static str],
    /// The `User-Agent` contains none of these.
    none_of: &'static [&'static str],
    /// The fault, and where it was reported.
    pub fault: &'static str,
    /// The first version with the fault, and the last known report.
    pub since: &'static str,
}

/// The known families. The first one that matches applies.
pub const QUIRKS: [Quirk; 3] = [
    Quirk {
        clients: "every WebKit view on iOS and iPadOS: Safari, Chrome, Firefox, Edge, apps",
        any_of: &["(iPhone", "(iPad", "(iPod"],
        all_of: &["AppleWebKit/"],
        none_of: &[],
        fault: "messages both fragmented and compressed fail with 1002 or an inflate error \
                 (nats-server #2613, coder #8070, websocket-sharp #666, libwebsockets #3065); 15.0 \
                 to 15.3 also ignore client_no_context_takeover (uWebSockets #1347)",
        since: "iOS 15, the first to offer permessage-deflate; still reported in 2026",
    },
    Quirk {
        clients: "Safari and WebKit views on macOS, and on iPads that ask for desktop sites",
        any_of: &["(Macintosh"],
        all_of: &["AppleWebKit/"],
        // Browsers with the Blink engine send AppleWebKit too, but always with one of these.
        none_of: &["Chrome/", "Chromium/"],
        fault: "as on iOS; Safari 13.1 could not read compressed text above some 100 bytes \
                 (coder/websocket #218)",
        since: "Safari 15, the first to offer it by this name; still reported in 2026",
    },
    Quirk {
        clients: "apps over NSURLSession on any Apple system",
        any_of: &["CFNetwork/"],
        all_of: &["Darwin/"],
        none_of: &[],
        fault: "as Safari, which uses the same library; betas of iOS 14 and macOS 11 set RSV1 although \
                 nothing was agreed (dbussink/big-sur-websocket-bug)",
        since: "iOS 14 and macOS 11; still reported in 2026",
    },
];

/// Returns the family of a client, or `None` if the client is not a known one of Apple's.
pub fn quirk(user_agent: &str) -> Option<&'static Quirk> {
    let has = |word: &&str| user_agent.contains(*word);
    QUIRKS.iter().find(|quirk| {
        quirk.any_of.iter().any(has)
            && quirk.all_of.iter().all(has)
            && !quirk.none_of.iter().any(has)
    })
}
