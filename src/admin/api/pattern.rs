//! Patterns for the names of channels. No IO. Control thread.

use std::str::Chars;

use crate::limits::TOPIC_BYTES;

/// A pattern in which `*` stands for any characters and `?` for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(String);

impl Pattern {
    /// Parses a pattern. An empty one is the same as `*`. The error completes the sentence "the
    /// pattern ...".
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > TOPIC_BYTES {
            return Err("is longer than the name of a channel");
        }
        if text.contains(['[', '{', '\\']) {
            return Err("has `[`, `{` or `\\`; only `*` and `?` are special here");
        }
        Ok(Self(if text.is_empty() { "*" } else { text }.into()))
    }

    /// Returns whether a name matches. The time is at most proportional to the product of both
    /// lengths.
    pub(super) fn matches(&self, name: &str) -> bool {
        let (mut pattern, mut name) = (self.0.chars(), name.chars());
        // What follows the last `*`, and the part of the name that it was compared with.
        let mut last: Option<(Chars<'_>, Chars<'_>)> = None;
        loop {
            let rest = name.clone();
            match (pattern.next(), name.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    name = rest;
                    last = Some((pattern.clone(), name.clone()));
                    continue;
                }
                (Some('?'), Some(_)) => continue,
                (Some(wanted), Some(found)) if wanted == found => continue,
                _ => {}
            }
            // The last `*` stands for one character more.
            let Some((after, begin)) = &mut last else {
                return false;
            };
            if begin.next().is_none() {
                return false;
            }
            (pattern, name) = (after.clone(), begin.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares by trying every possibility.
    fn matches_slowly(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => {
                (0..=name.len()).any(|length| matches_slowly(rest, &name[length..]))
            }
            (Some((wanted, pattern)), Some((found, name))) => {
                (*wanted == '?' || wanted == found) && matches_slowly(pattern, name)
            }
            _ => false,
        }
    }

    #[test]
    fn patterns_match_as_if_every_possibility_was_tried() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut matched = 0;
        for _ in 0..20_000 {
            let mut text = |letters: &[char], length| -> String {
                let length = random.usize(0..length);
                (0..length)
                    .map(|_| *random.choice(letters).unwrap())
                    .collect()
            };
            let (pattern, name) = (text(&['a', 'é', '*', '?'], 7), text(&['a', 'é'], 9));
            let expected = pattern.is_empty()
                || matches_slowly(
                    &pattern.chars().collect::<Vec<_>>(),
                    &name.chars().collect::<Vec<_>>(),
                );
            let found = Pattern::parse(&pattern).unwrap().matches(&name);
            assert_eq!(found, expected, "{pattern} {name}");
            matched += usize::from(found);
        }
        assert!((2_000..18_000).contains(&matched), "{matched}");
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        for text in ["news[12]", "{a,b}", "a\\*", &"a".repeat(256)] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
        let longest = "a*".repeat(127);
        let pattern = Pattern::parse(&longest).unwrap();
        assert!(pattern.matches(&"a".repeat(255)) && !pattern.matches(&"ab".repeat(60)));
    }
}
