//! `[ws.deflate]`, a nested table: set from every source, and the errors for mistakes in it.

use std::collections::BTreeSet;

use fanfare::config::{ApplePolicy, Config, ConfigError, DeflateConfig, keys};

use crate::loader::{file, flags, source};

#[test]
fn compression_is_enabled_at_the_lowest_level_by_default() {
    let config = Config::default();
    let expected = DeflateConfig {
        enabled: true,
        level: 1,
        threshold: 256,
        apple: ApplePolicy::Decline,
    };
    assert_eq!((config.ws.batch, config.ws.deflate), (8 * 1024, expected));
    assert!(config.namespaces[0].deflate);
}

#[test]
fn all_ways_to_write_a_nested_table_are_equivalent() {
    let expected = DeflateConfig {
        enabled: false,
        level: 6,
        threshold: 1024,
        apple: ApplePolicy::On,
    };
    let table = "[ws.deflate]\nenabled = false\nlevel = 6\nthreshold = '1KiB'\napple = 'on'";
    let dotted = "[ws]\ndeflate.enabled = false\ndeflate.level = 6\n\
                  deflate.threshold = 1024\ndeflate.apple = 'on'";
    let inline = "[ws]\ndeflate = { enabled = false, level = 6, threshold = '1KiB', apple = 'on' }";
    let whole = "ws.deflate.enabled = false\nws.deflate.level = 6\n\
                 ws.deflate.threshold = 1024\nws.deflate.apple = 'on'";
    for text in [table, dotted, inline, whole] {
        assert_eq!(file(text).config().ws.deflate, expected, "{text}");
    }
    let environment = [
        ("FANFARE_WS_DEFLATE_ENABLED", "false"),
        ("FANFARE_WS_DEFLATE_LEVEL", "6"),
        ("FANFARE_WS_DEFLATE_THRESHOLD", "1KiB"),
        ("FANFARE_WS_DEFLATE_APPLE", "on"),
    ];
    let config = source(None, &environment, &[]).config();
    assert_eq!(config.ws.deflate, expected);
    let config = flags(&[
        "ws.deflate.enabled=false",
        "ws.deflate.level=6",
        "ws.deflate.threshold=1KiB",
        "ws.deflate.apple=on",
    ])
    .config();
    assert_eq!(config.ws.deflate, expected);
    assert_eq!(
        config.differences(),
        [
            "ws.deflate.enabled = false",
            "ws.deflate.level = 6",
            "ws.deflate.threshold = 1KiB",
            "ws.deflate.apple = on"
        ]
    );
}

#[test]
fn the_last_source_of_each_key_is_used() {
    let text = "[ws.deflate]\nlevel = 2\nthreshold = 2\napple = 'on'";
    let environment = [
        ("FANFARE_WS_DEFLATE_LEVEL", "3"),
        ("FANFARE_WS_DEFLATE_THRESHOLD", "3"),
        ("FANFARE_WS_BATCH", "4KiB"),
    ];
    let config = source(Some(text), &environment, &["ws.deflate.level=4"]).config();
    let deflate = &config.ws.deflate;
    assert_eq!((deflate.level, deflate.threshold), (4, 3));
    assert_eq!(deflate.apple, ApplePolicy::On);
    assert_eq!(config.ws.batch, 4096);
}

#[test]
fn mistakes_in_a_nested_table_are_named() {
    for (text, error) in [
        (
            "[ws.deflate]\nlevle = 6",
            "2:1: unknown key `ws.deflate.levle`, did you mean `ws.deflate.level`?",
        ),
        (
            "[ws]\ndeflate.treshold = 6",
            "2:9: unknown key `ws.deflate.treshold`, did you mean `ws.deflate.threshold`?",
        ),
        (
            "[ws.defalte]\nlevel = 6",
            "2:1: unknown key `ws.defalte.level`, did you mean `ws.deflate.level`?",
        ),
        (
            "[ws.deflate.level]\nvalue = 6",
            "1:1: ws.deflate.level: expected a level from 1 (fastest) to 12 (smallest), \
             found a table",
        ),
        (
            "[deflate]\nthreshold = 6",
            "2:1: unknown key `deflate.threshold`, did you mean `ws.deflate.threshold`?",
        ),
    ] {
        assert_eq!(file(text).text(), format!("fanfare.toml:{error}"));
    }
    assert_eq!(
        flags(&["ws.deflate.levle=6"]).text(),
        "-s ws.deflate.levle=6: unknown key `ws.deflate.levle`, did you mean `ws.deflate.level`?"
    );
    let error = source(None, &[("FANFARE_WS_DEFLATE_LEVLE", "6")], &[]).text();
    assert!(
        error.contains("did you mean `ws.deflate.level`?"),
        "{error}"
    );
}

#[test]
fn a_table_is_not_a_value() {
    let error = "`ws.deflate` is a table and cannot have a value; set one of its keys: \
                ws.deflate.enabled, ws.deflate.level, ws.deflate.threshold, ws.deflate.apple";
    for (loader, place) in [
        (file("[ws]\ndeflate = true"), "fanfare.toml:2:1"),
        (file("[[ws.deflate]]\nlevel = 6"), "fanfare.toml:1:6"),
        (flags(&["ws.deflate=true"]), "-s ws.deflate=true"),
        (
            source(None, &[("FANFARE_WS_DEFLATE", "true")], &[]),
            "environment variable FANFARE_WS_DEFLATE",
        ),
    ] {
        assert_eq!(loader.text(), format!("{place}: {error}"));
    }
    match file("ws = true").error() {
        ConfigError::Table { table, keys, .. } => {
            assert_eq!(table, "ws");
            assert!(keys.contains(&"ws.listen") && keys.contains(&"ws.deflate.level"));
        }
        other => panic!("the error is {other}"),
    }
    assert_eq!(file("[ws.deflate]").config(), Config::default());
}

#[test]
fn levels_are_those_that_compress() {
    for level in ["0", "13", "-1", "256", "1.5", "fast"] {
        let text = format!("ws.deflate.level={level}");
        assert_eq!(
            flags(&[&text]).text(),
            format!(
                "-s {text}: ws.deflate.level: expected a level from 1 (fastest) to 12 (smallest), \
                 found `{level}`"
            )
        );
    }
    for level in 1..=12 {
        let config = flags(&[&format!("ws.deflate.level={level}")]).config();
        assert_eq!(config.ws.deflate.level, level);
    }
}

#[test]
fn every_key_and_table_has_its_own_variable() {
    let keys: Vec<_> = keys().map(|key| key.name).collect();
    let tables = keys.iter().filter_map(|key| key.rsplit_once('.'));
    let names: BTreeSet<_> = tables.map(|(table, _)| table).chain(keys.clone()).collect();
    let variables: BTreeSet<_> = names.iter().map(|name| name.replace('.', "_")).collect();
    assert_eq!(variables.len(), names.len());
}
