//! Messages of the kinds that compressors tell apart, the same ones in every run.

use fastrand::Rng;

/// What a message is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Updates as feeds send them, one per line.
    Json,
    /// Words of several scripts; valid UTF-8.
    Words,
    /// Four different bytes without any order.
    LowEntropy,
    /// A short pattern, over and over.
    Repeated,
    /// One byte's value, over and over.
    Zeros,
    /// Bytes without any order.
    Random,
    /// Stretches of all of them, so that their statistics change on the way.
    Mixed,
}

pub const KINDS: [Kind; 7] = [
    Kind::Json,
    Kind::Words,
    Kind::LowEntropy,
    Kind::Repeated,
    Kind::Zeros,
    Kind::Random,
    Kind::Mixed,
];

/// Lengths around which compressors change their mind: pieces, windows, blocks.
pub const BORDERS: [usize; 12] = [
    1, 2, 255, 4095, 4096, 4097, 8192, 8193, 32_768, 65_535, 65_536, 65_537,
];

const WORDS: [&str; 8] = [
    "price",
    "żółw",
    "κόσμε",
    "update ",
    "\u{1f600}",
    "中文",
    "the ",
    "\n",
];

impl Kind {
    /// A message of this many bytes; another one for each seed.
    pub fn message(self, bytes: usize, seed: u64) -> Vec<u8> {
        let mut rng = Rng::with_seed(seed);
        let mut out = Vec::with_capacity(bytes + 1024);
        while out.len() < bytes {
            let missing = bytes - out.len();
            self.append(&mut out, missing, &mut rng);
        }
        out.truncate(bytes);
        if self == Self::Words {
            // Not half a character at the end.
            let valid = String::from_utf8_lossy(&out).replace('\u{fffd}', "");
            out = valid.into_bytes();
            out.resize(bytes, b'.');
        }
        out
    }

    /// Appends some of a message of which `missing` bytes are missing.
    fn append(self, out: &mut Vec<u8>, missing: usize, rng: &mut Rng) {
        match self {
            Self::Json => {
                let (symbol, bid, size) = (rng.u16(..999), rng.u32(..), rng.u8(..));
                let line = format!("{{\"symbol\":\"S{symbol}\",\"bid\":{bid},\"size\":{size}}}\n");
                out.extend(line.into_bytes());
            }
            Self::Words => out.extend(WORDS[rng.usize(..WORDS.len())].as_bytes()),
            Self::LowEntropy => out.push(b"acgt"[rng.usize(..4)]),
            Self::Repeated => {
                let pattern = random(1 + rng.usize(..40), rng);
                out.extend(pattern.iter().cycle().take(missing));
            }
            Self::Zeros => out.resize(out.len() + missing, 0),
            Self::Random => out.extend(random(missing, rng)),
            Self::Mixed => {
                let kind = KINDS[rng.usize(..KINDS.len() - 1)];
                out.extend(kind.message(missing.min(1 + rng.usize(..9000)), rng.u64(..)));
            }
        }
    }

    /// A message of this length becomes smaller, whoever compresses it.
    pub fn shrinks(self, bytes: usize) -> bool {
        !matches!(self, Self::Random | Self::Mixed) && bytes >= 200
    }
}

fn random(bytes: usize, rng: &mut Rng) -> Vec<u8> {
    let mut out = vec![0; bytes];
    rng.fill(&mut out);
    out
}
