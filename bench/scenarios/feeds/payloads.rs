//! Payloads that resemble those of real services, with identifiers, times and numbers that vary as
//! in production. The same seed gives the same payloads. Receiving thread, before the run.

use fastrand::Rng;

use crate::publishing::words;

/// Time of the first publication of a feed in milliseconds of the day, and the start of that day in
/// milliseconds since the epoch.
const START_MS: u64 = 19 * 3_600_000;
const EPOCH_MS: u64 = 1_773_446_400_000;

const SYMBOLS: [&str; 24] = [
    "AAPL", "MSFT", "NVDA", "AMZN", "GOOGL", "META", "TSLA", "AVGO", "JPM", "V", "XOM", "UNH",
    "MA", "COST", "HD", "PG", "NFLX", "JNJ", "BAC", "CRM", "ORCL", "AMD", "KO", "PEP",
];

const TEAMS: [&str; 10] = [
    "ARS", "LIV", "MCI", "CHE", "TOT", "NEW", "AVL", "BHA", "WHU", "EVE",
];

/// A service that publishes to browsers and phones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// Changes of a football match: small JSON deltas
    Scores,
    /// Messages of one chat room
    Chat,
    /// Bid, ask and last price of shares
    Quotes,
    /// Messages between customers and agents, about 300 bytes
    Tickets,
}

impl Feed {
    pub const ALL: [Self; 4] = [Self::Scores, Self::Chat, Self::Quotes, Self::Tickets];

    pub fn name(self) -> &'static str {
        match self {
            Self::Scores => "scores",
            Self::Chat => "chat",
            Self::Quotes => "quotes",
            Self::Tickets => "tickets",
        }
    }

    /// Returns `count` payloads. The n-th has a time `at_ms(n)` after the first.
    pub fn payloads(self, count: usize, at_ms: impl Fn(usize) -> u64, seed: u64) -> Vec<Vec<u8>> {
        let mut random = Rng::with_seed(seed);
        let mut match_state = MatchState::default();
        let mut prices: Vec<u64> = SYMBOLS.map(|_| random.u64(2_000..60_000)).to_vec();
        let mut payload = |nth| {
            let at_ms = START_MS + at_ms(nth);
            let text = match self {
                Self::Scores => match_state.delta(&mut random, nth, at_ms),
                Self::Chat => chat(&mut random, at_ms),
                Self::Quotes => quote(&mut random, &mut prices, at_ms),
                Self::Tickets => ticket(&mut random, at_ms),
            };
            text.into_bytes()
        };
        (0..count).map(&mut payload).collect()
    }
}

/// The state of a football match.
#[derive(Debug, Default)]
struct MatchState {
    goals: [u32; 2],
    shots: [u32; 2],
    possession: u32,
}

impl MatchState {
    fn delta(&mut self, random: &mut Rng, nth: usize, at_ms: u64) -> String {
        let side = random.usize(..2);
        let name = ["home", "away"][side];
        let (seconds, version) = (at_ms / 1000 % 5400, 1042 + nth);
        let change = match random.u32(..20) {
            0 => {
                self.goals[side] += 1;
                let (_, player) = words::name(random);
                let goals = self.goals[side];
                format!(r#""{name}":{{"goals":{goals},"scorer":"{player}"}}"#)
            }
            1..=6 => {
                self.shots[side] += 1;
                let (shots, target) = (self.shots[side], random.bool());
                format!(r#""{name}":{{"shots":{shots},"on_target":{target}}}"#)
            }
            7..=10 => {
                self.possession = random.u32(35..65);
                let (home, away) = (self.possession, 100 - self.possession);
                format!(r#""possession":{{"home":{home},"away":{away}}}"#)
            }
            _ => {
                let (x, y) = (random.u32(..1050), random.u32(..680));
                let team = words::one(random, &TEAMS[..2]);
                let (x, y) = (f64::from(x) / 10.0, f64::from(y) / 10.0);
                format!(r#""ball":{{"team":"{team}","x":{x},"y":{y}}}"#)
            }
        };
        let (minute, second) = (seconds / 60, seconds % 60);
        format!(
            r#"{{"match":"epl-20260314-ars-liv","v":{version},"clock":"{minute:02}:{second:02}",{change}}}"#
        )
    }
}

fn chat(random: &mut Rng, at_ms: u64) -> String {
    // A few members write most of the messages. The identifiers of a member do not change.
    let member = random.usize(..12).min(random.usize(..12)) as u64;
    let mut own = Rng::with_seed(member);
    let ((first, last), user) = (words::name(&mut own), words::hex(&mut own, 24));
    let picture = words::hex(&mut own, 32);
    let (message, time) = (words::hex(random, 24), words::time(at_ms));
    let count = 2 + random.usize(..24);
    let text = words::sentence(random, count);
    format!(
        r#"{{"type":"message.new","id":"{message}","room":"general","user":{{"id":"{user}","name":"{first} {last}","avatar":"https://cdn.example.com/a/{picture}.png"}},"text":"{text}","created_at":"{time}","reactions":[],"reply_count":0}}"#
    )
}

fn quote(random: &mut Rng, prices: &mut [u64], at_ms: u64) -> String {
    let nth = random.usize(..SYMBOLS.len());
    let price = &mut prices[nth];
    *price = (*price + random.u64(..7)).saturating_sub(3).max(100);
    let dollars = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100);
    let (bid, ask) = (dollars(*price), dollars(*price + random.u64(1..4)));
    let last = dollars(*price + random.u64(..2));
    let (bid_size, ask_size) = (random.u32(1..40) * 100, random.u32(1..40) * 100);
    let (volume, symbol) = (random.u32(1_000_000..90_000_000), SYMBOLS[nth]);
    let time_ms = EPOCH_MS + at_ms;
    format!(
        r#"{{"s":"{symbol}","b":{bid},"bs":{bid_size},"a":{ask},"as":{ask_size},"l":{last},"v":{volume},"t":{time_ms}}}"#
    )
}

fn ticket(random: &mut Rng, at_ms: u64) -> String {
    let (first, _) = words::name(random);
    let (issue, message) = (random.u32(100_000..10_000_000), words::hex(random, 16));
    let author = words::hex(random, 12);
    let role = words::one(random, &["agent", "customer", "bot"]);
    let count = 8 + random.usize(..20);
    let (text, time) = (words::sentence(random, count), words::time(at_ms));
    format!(
        r#"{{"type":"message.created","issue":{issue},"message":{{"id":"{message}","author":{{"id":"{author}","name":"{first}","role":"{role}"}},"body":"{text}","created_at":"{time}","seen":false}}}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_are_json_of_the_expected_size_and_reproducible() {
        for (feed, sizes) in [
            (Feed::Scores, 70..120),
            (Feed::Chat, 280..420),
            (Feed::Quotes, 80..120),
            (Feed::Tickets, 240..360),
        ] {
            let payloads = feed.payloads(500, |nth| nth as u64 * 5, 1);
            assert_eq!(payloads, feed.payloads(500, |nth| nth as u64 * 5, 1));
            assert!(payloads != feed.payloads(500, |nth| nth as u64 * 5, 2));
            for payload in &payloads {
                let value: serde_json::Value = serde_json::from_slice(payload).unwrap();
                assert!(value.is_object() && !payload.contains(&b'\n'));
            }
            let total: usize = payloads.iter().map(Vec::len).sum();
            let mean = total / payloads.len();
            assert!(sizes.contains(&mean), "{} {mean}", feed.name());
        }
    }

    #[test]
    fn publications_of_a_feed_differ() {
        for feed in Feed::ALL {
            let mut payloads = feed.payloads(500, |nth| nth as u64 * 5, 1);
            payloads.sort();
            payloads.dedup();
            assert_eq!(payloads.len(), 500, "{}", feed.name());
        }
    }
}
