//! Strict form-decoding of the query string (WHATWG URL, section 5.1).

use fanfare::wire::HttpRefusal;

use crate::handshake::{LINES, head, request};

#[test]
fn the_query_is_form_decoded() {
    let pairs = |query: &str| -> Result<Vec<(String, String)>, HttpRefusal> {
        request(&head(&format!("GET /raw{query} HTTP/1.1"), &LINES))
            .query()
            .map(|pair| pair.map(|(name, value)| (name.into_owned(), value.into_owned())))
            .collect()
    };
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    for (query, expected) in [
        ("", &[][..]),
        ("?", &[]),
        ("?&&", &[]),
        ("?topic=a&topic=b", &[("topic", "a"), ("topic", "b")]),
        ("?topic=a+b%20c%2Bd", &[("topic", "a b c+d")]),
        ("?topic=%C5%BC%f0%9f%98%80", &[("topic", "ż\u{1f600}")]),
        ("?a=b=c&%61", &[("a", "b=c"), ("a", "")]),
        ("?topic=a%26b%3Dc", &[("topic", "a&b=c")]),
        ("?topic=%00", &[("topic", "\0")]),
    ] {
        assert_eq!(pairs(query).unwrap(), owned(expected), "{query}");
    }
    for query in [
        "?a=%",
        "?a=%2",
        "?a=%g0",
        "?a=%+1",
        "?a=%ff",
        "?%ed%a0%80",
        "?b=%C5&c=%BC",
    ] {
        assert!(
            matches!(pairs(query), Err(HttpRefusal::BadRequest(_))),
            "{query}"
        );
    }
}
