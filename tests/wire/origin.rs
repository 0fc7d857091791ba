//! RFC 6455, section 10.2: the check of origins.

use fanfare::config::OriginRule;

use crate::handshake::request;

fn is_allowed(host: &str, origin: Option<&str>, origins: &[&str]) -> bool {
    let origin = origin
        .map(|origin| format!("Origin: {origin}\r\n"))
        .unwrap_or_default();
    // A text that is not a rule allows nothing.
    let rules: Vec<_> = origins
        .iter()
        .filter_map(|origin| OriginRule::parse(origin).ok())
        .collect();
    request(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n{origin}\r\n")).origin_allowed(&rules)
}

#[test]
fn clients_without_an_origin_are_allowed() {
    for origins in [&[][..], &["*"], &["https://example.com"]] {
        assert!(is_allowed("example.com", None, origins));
    }
}

#[test]
fn by_default_only_the_same_origin_is_allowed() {
    for (host, origin) in [
        ("example.com", "https://example.com"),
        ("example.com", "http://example.com"),
        ("EXAMPLE.com", "http://example.COM"),
        ("example.com:443", "https://example.com"),
        ("example.com", "https://example.com:443"),
        ("example.com:80", "http://example.com"),
        ("example.com:8000", "http://example.com:8000"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("[::1]:80", "http://[::1]"),
    ] {
        assert!(is_allowed(host, Some(origin), &[]), "{host} {origin}");
    }
    for (host, origin) in [
        ("example.com", "https://evil.com"),
        ("example.com", "https://example.com.evil.com"),
        ("example.com", "https://www.example.com"),
        ("example.com:8000", "http://example.com"),
        ("example.com", "http://example.com:8000"),
        ("example.com", "http://example.com:443"),
        ("example.com:443", "http://example.com"),
        ("example.com", "null"),
        ("null", "null"),
        ("example.com", ""),
        ("example.com", "example.com"),
        ("example.com", "https://user@example.com"),
        ("", "https://"),
        ("", "https://:443"),
        (":443", "https://:443"),
        ("example.com:99999", "https://example.com:99999"),
        ("a b", "https://a b"),
        ("*.com", "https://example.com"),
    ] {
        assert!(!is_allowed(host, Some(origin), &[]), "{host} {origin}");
    }
}

#[test]
fn a_star_allows_any_origin() {
    for origin in ["https://evil.com", "null", "", "chrome-extension://abc"] {
        assert!(is_allowed("example.com", Some(origin), &["*"]));
    }
}

#[test]
fn listed_origins_match_exactly_except_for_case_and_default_ports() {
    let origins = ["https://app.example.com", "http://localhost:3000", "null"];
    for origin in [
        "https://app.example.com",
        "https://APP.example.com",
        "https://app.example.com:443",
        "http://localhost:3000",
        "null",
    ] {
        assert!(is_allowed("server", Some(origin), &origins), "{origin}");
    }
    for origin in [
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://example.com",
        "https://sub.app.example.com",
        "http://localhost",
        "http://server",
    ] {
        assert!(!is_allowed("server", Some(origin), &origins), "{origin}");
    }
}

#[test]
fn a_wildcard_matches_subdomains() {
    let origins = ["https://*.example.com", "http://*.test:3000"];
    for origin in [
        "https://a.example.com",
        "https://a.b.EXAMPLE.com:443",
        "http://x.test:3000",
    ] {
        assert!(is_allowed("server", Some(origin), &origins), "{origin}");
    }
    for origin in [
        "https://example.com",
        "https://.example.com",
        "https://evilexample.com",
        "https://a.example.com.evil.com",
        "http://a.example.com",
        "https://evil.com/.example.com",
        "https://evil.com#.example.com",
        "https://a.example.com:8443",
        "https://a.example.com:99999",
        "http://x.test",
    ] {
        assert!(!is_allowed("server", Some(origin), &origins), "{origin}");
    }
}

#[test]
fn a_wildcard_is_permitted_only_as_the_first_label() {
    for pattern in [
        "https://*example.com",
        "https://a.*.com",
        "https://*",
        "https://*.:443",
        "*.example.com",
    ] {
        assert!(
            !is_allowed("server", Some("https://a.example.com"), &[pattern]),
            "{pattern}"
        );
    }
}

#[test]
fn a_wildcard_without_a_host_allows_nothing() {
    for pattern in ["https://*.", "https://*.:443", "https://*..:443"] {
        for origin in ["https://evil.", "https://evil.:443", "https://evil.com"] {
            assert!(!is_allowed("server", Some(origin), &[pattern]), "{pattern}");
        }
    }
}

#[test]
fn an_origin_that_is_not_ascii_matches_nothing() {
    assert!(!is_allowed("server", Some("https://żółw"), &[]));
    assert!(!is_allowed(
        "server",
        Some("https://żółw"),
        &["https://żółw"]
    ));
    assert!(is_allowed("server", Some("https://żółw"), &["*"]));
}
