//! The query string is form-decoded (WHATWG URL, section 5.1), but invalid escapes and invalid
//! UTF-8 are refused.

use fanfare::wire::HttpRefusal;

use crate::handshake::{LINES, head, request};

/// Parses a request with this query, and returns the decoded names and values.
fn pairs(query: &str) -> Result<Vec<(String, String)>, HttpRefusal> {
    request(&head(&format!("GET /raw{query} HTTP/1.1"), &LINES))
        .query()
        .map(|pair| pair.map(|(name, value)| (name.into_owned(), value.into_owned())))
        .collect()
}

#[test]
fn the_query_is_form_decoded() {
    for (query, expected) in [
        ("", &[][..]),
        ("?", &[]),
        // Empty pairs are skipped.
        ("?&&", &[]),
        ("?topic=a&topic=b", &[("topic", "a"), ("topic", "b")]),
        // `+` is a space, and `%2B` is a plus sign.
        ("?topic=a+b%20c%2Bd", &[("topic", "a b c+d")]),
        // Hexadecimal digits may be in upper and lower case.
        ("?topic=%C5%BC%f0%9f%98%80", &[("topic", "ż\u{1f600}")]),
        // Only the first `=` ends the name. A pair without `=` has an empty value.
        ("?a=b=c&%61", &[("a", "b=c"), ("a", "")]),
        // Escaped separators are part of the value.
        ("?topic=a%26b%3Dc", &[("topic", "a&b=c")]),
        ("?topic=%00", &[("topic", "\0")]),
    ] {
        let found = pairs(query).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(found, expected, "{query}");
    }
}

#[test]
fn invalid_escapes_and_invalid_utf8_are_refused() {
    for query in [
        "?a=%",
        "?a=%2",
        "?a=%g0",
        // Parsers of numbers accept a sign, but it is not a hexadecimal digit.
        "?a=%+1",
        // The byte 0xff never occurs in UTF-8.
        "?a=%ff",
        // A surrogate, which UTF-8 must not encode, in a name.
        "?%ed%a0%80",
        // One character that is divided between two values.
        "?b=%C5&c=%BC",
    ] {
        assert!(
            matches!(pairs(query), Err(HttpRefusal::BadRequest(_))),
            "{query}"
        );
    }
}
