//! Test messages of different compressibility. They are the same in every run.

use fastrand::Rng;

/// The content of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// JSON updates as in feeds, one per line.
    Json,
    /// Words of several scripts; valid UTF-8.
    Words,
    /// Random bytes with four different values.
    LowEntropy,
    /// A repeated short pattern.
    Repeated,
    /// One repeated byte.
    Zeros,
    /// Random bytes.
    Random,
    /// Sections of all kinds, so that the statistics change within the message.
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

/// Lengths near the limits of pieces, windows and blocks, where compressors change their method.
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
    /// Returns a message of this many bytes, different for each seed.
    pub fn message(self, bytes: usize, seed: u64) -> Vec<u8> {
        let mut rng = Rng::with_seed(seed);
        let mut out = Vec::with_capacity(bytes + 1024);
        while out.len() < bytes {
            let missing = bytes - out.len();
            self.append(&mut out, missing, &mut rng);
        }
        out.truncate(bytes);
        if self == Self::Words {
            // Do not end with an incomplete character.
            let valid = String::from_utf8_lossy(&out).replace('\u{fffd}', "");
            out = valid.into_bytes();
            out.resize(bytes, b'.');
        }
        out
    }

    /// Appends a part of a message that lacks `missing` bytes.
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

    /// Returns whether every compressor makes a message of this length smaller.
    pub fn shrinks(self, bytes: usize) -> bool {
        !matches!(self, Self::Random | Self::Mixed) && bytes >= 200
    }
}

fn random(bytes: usize, rng: &mut Rng) -> Vec<u8> {
    let mut out = vec![0; bytes];
    rng.fill(&mut out);
    out
}
