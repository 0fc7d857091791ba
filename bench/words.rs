//! Text and names as people write them, so that payloads compress as they do in production.
//! Publishing thread.

use std::fmt::Write;

use fastrand::Rng;

/// From a support conversation, a chat and a match report.
const WORDS: [&str; 128] = [
    "the", "to", "and", "a", "of", "is", "it", "you", "that", "in", "for", "on", "we", "my", "was",
    "have", "with", "not", "this", "but", "are", "be", "can", "your", "so", "just", "at", "if",
    "when", "what", "all", "do", "like", "get", "me", "they", "one", "from", "out", "about", "how",
    "time", "there", "will", "now", "up", "good", "no", "or", "as", "then", "after", "again",
    "back", "been", "before", "today", "tomorrow", "still", "please", "thanks", "order", "account",
    "refund", "payment", "update", "version", "phone", "screen", "button", "level", "crashed",
    "working", "tried", "restart", "support", "ticket", "issue", "problem", "reply", "message",
    "email", "password", "login", "question", "answer", "team", "game", "player", "goal", "match",
    "season", "half", "minute", "shot", "corner", "first", "second", "great", "really", "maybe",
    "because", "should", "could", "would", "think", "know", "see", "want", "need", "help", "look",
    "lunch", "meeting", "review", "deploy", "server", "release", "tonight", "weekend", "movie",
    "coffee", "train", "yeah", "haha", "okay", "wow", "sorry",
];

const FIRST_NAMES: [&str; 20] = [
    "Asha", "Liam", "Noor", "Mateo", "Yuki", "Olga", "Sven", "Amara", "Chen", "Fatima", "Diego",
    "Priya", "Hugo", "Leila", "Tomas", "Ingrid", "Kofi", "Marta", "Rahul", "Zoe",
];

const LAST_NAMES: [&str; 20] = [
    "Okafor", "Nguyen", "Silva", "Kumar", "Larsen", "Moreau", "Tanaka", "Haddad", "Novak", "Reyes",
    "Schmidt", "Costa", "Ivanova", "Mensah", "Rossi", "Walsh", "Patel", "Berg", "Demir", "Park",
];

/// One of several.
pub fn one<'a>(random: &mut Rng, of: &[&'a str]) -> &'a str {
    of[random.usize(..of.len())]
}

/// A first and a last name.
pub fn name(random: &mut Rng) -> (&'static str, &'static str) {
    (one(random, &FIRST_NAMES), one(random, &LAST_NAMES))
}

/// That many words, frequent ones more often, as in any text; with a full stop now and then.
pub fn sentence(random: &mut Rng, count: usize) -> String {
    let mut out = String::new();
    for nth in 0..count {
        let rare = random.usize(..WORDS.len());
        let word = WORDS[rare.min(random.usize(..WORDS.len()))];
        let stop = match random.u8(..10) {
            0 => ".",
            1 => ",",
            _ => "",
        };
        let space = if nth == 0 { "" } else { " " };
        out.extend([space, word, if nth + 1 < count { stop } else { "" }]);
    }
    out
}

/// Digits of a random identifier, hexadecimal.
pub fn hex(random: &mut Rng, digits: usize) -> String {
    (0..digits).fold(String::new(), |mut out, _| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{:x}", random.u8(..16));
        out
    })
}

/// A time on one day as services write it, `at_ms` after its start.
pub fn time(at_ms: u64) -> String {
    let (hours, minutes) = (at_ms / 3_600_000 % 24, at_ms / 60_000 % 60);
    let (seconds, ms) = (at_ms / 1000 % 60, at_ms % 1000);
    format!("2026-03-14T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}Z")
}

/// Fills what stands between two quotation marks of a JSON object with further members, to the
/// last byte; where there is little room, with text only.
pub fn fill(random: &mut Rng, out: &mut [u8]) {
    let (first, last) = name(random);
    let members = format!(
        r#"{}","event":"conversation.updated","conversation":{{"id":{},"state":"{}","tags":["{}","{}"],"unread":{}}},"author":{{"id":"{}","name":"{first} {last}","role":"{}"}},"at":"{}","text":""#,
        hex(random, 16),
        random.u32(100_000..10_000_000),
        one(random, &["open", "pending", "resolved", "waiting"]),
        one(random, &["billing", "login", "android", "ios", "vip"]),
        one(random, &["en", "de", "ja", "pt", "hi"]),
        random.u8(..20),
        hex(random, 12),
        one(random, &["agent", "customer", "bot"]),
        time(random.u64(..86_400_000)),
    );
    let fits = members.len() < out.len();
    let (head, text) = out.split_at_mut(if fits { members.len() } else { 0 });
    head.copy_from_slice(&members.as_bytes()[..head.len()]);
    let words = sentence(random, text.len());
    text.copy_from_slice(&words.as_bytes()[..text.len()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_is_json_and_differs() {
        let mut random = Rng::with_seed(1);
        for len in [0, 1, 40, 200, 300, 310, 320, 400, 1000] {
            let mut document = || {
                let mut text = vec![0; len];
                fill(&mut random, &mut text);
                [b"{\"p\":\"".as_slice(), &text, b"\"}"].concat()
            };
            let (one, other) = (document(), document());
            assert!(one != other || len < 2, "{len}");
            let value: serde_json::Value = serde_json::from_slice(&one).unwrap();
            assert!(value["p"].is_string());
            assert!(value["author"].is_object() || len < 400, "{len}");
        }
    }

    #[test]
    fn times_are_of_a_day() {
        assert_eq!(time(0), "2026-03-14T00:00:00.000Z");
        assert_eq!(time(86_399_999), "2026-03-14T23:59:59.999Z");
    }
}
