//! Random text and names that resemble real ones, so that payloads compress as they do in
//! production. Receiving thread, before the run.

use std::fmt::Write;

use fastrand::Rng;

/// Words of a support conversation, a chat and a match report, the most frequent first.
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

/// Returns one of several texts.
pub fn one<'a>(random: &mut Rng, texts: &[&'a str]) -> &'a str {
    texts[random.usize(..texts.len())]
}

/// Returns a first and a last name.
pub fn name(random: &mut Rng) -> (&'static str, &'static str) {
    (one(random, &FIRST_NAMES), one(random, &LAST_NAMES))
}

/// Returns `count` words with some punctuation. Frequent words occur more often, as in real text.
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

/// Returns a random identifier of hexadecimal digits.
pub fn hex(random: &mut Rng, digits: usize) -> String {
    (0..digits).fold(String::new(), |mut out, _| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{:x}", random.u8(..16));
        out
    })
}

/// Returns a time in ISO 8601, `at_ms` after the start of a fixed day.
pub fn time(at_ms: u64) -> String {
    let (hours, minutes) = (at_ms / 3_600_000 % 24, at_ms / 60_000 % 60);
    let (seconds, ms) = (at_ms / 1000 % 60, at_ms % 1000);
    format!("2026-03-14T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}Z")
}

/// Fills the bytes between two quotation marks of a JSON object with further members. If the bytes
/// are too few for the members, fills them with text.
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
    fn filled_documents_are_json_and_differ() {
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
    fn times_cover_one_day() {
        assert_eq!(time(0), "2026-03-14T00:00:00.000Z");
        assert_eq!(time(86_399_999), "2026-03-14T23:59:59.999Z");
    }
}
