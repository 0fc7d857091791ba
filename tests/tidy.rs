//! Checks rules of style and structure on the text of the sources. A violation is printed as
//! `file:line: rule`. Each rule has a test with bad code that the rule must find.

#![allow(clippy::unwrap_used, unreachable_pub)]

#[path = "tidy/cycles.rs"]
mod cycles;
#[path = "tidy/functions.rs"]
mod functions;
#[path = "tidy/language.rs"]
mod language;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/metrics.rs"]
mod metrics;
#[path = "tidy/module_tree.rs"]
mod module_tree;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/rule.rs"]
mod rule;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/text.rs"]
mod text;
#[path = "tidy/tokens.rs"]
mod tokens;
#[path = "tidy/unsafety.rs"]
mod unsafety;
#[path = "tidy/words.rs"]
mod words;
