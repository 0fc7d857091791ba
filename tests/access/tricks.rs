//! Tokens that attackers make, and text that is not a token.

use fanfare::access::{InvalidToken, TokenKind, UnverifiedToken, Verifier};
use fanfare::limits;
use proptest::prelude::*;
use serde_json::json;

use crate::support::{
    HS256, NOW, base64, ecdsa, ed25519, fixture, hmac, invalid, key, rsa, secret, signed,
    signed_with, token,
};

const ANN: &str = r#"{"sub":"ann"}"#;

#[test]
fn unsigned_tokens_are_refused() {
    for alg in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        "",
        "null",
        "HS256 ",
        "hs256",
        "HS1",
        "RS1",
        "ES512",
        "ES256K",
        "dir",
        "A128KW",
        "HS256\\u0000",
    ] {
        let message = format!(
            "{}.{}",
            base64(&format!(r#"{{"alg":"{alg}"}}"#)),
            base64(ANN)
        );
        let signature = signed(HS256, ANN).rsplit_once('.').unwrap().1.to_owned();
        for signature in ["", &signature] {
            for auth in [hmac(), rsa(), ecdsa("p256"), ed25519()] {
                let found = invalid(&auth, &format!("{message}.{signature}"));
                assert_eq!(found, InvalidToken::Algorithm, "{alg}");
            }
        }
    }
    for header in [
        "{}",
        r#"{"alg":null}"#,
        r#"{"alg":0}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":{"HS256":1}}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"Alg":"HS256"}"#,
        "[]",
        "\"HS256\"",
        "null",
        "",
        "{",
        r#"{"alg":"HS256"}x"#,
        r#"{"alg":"HS256"}{}"#,
        "\u{feff}{\"alg\":\"HS256\"}",
    ] {
        let found = invalid(&hmac(), &signed(header, ANN));
        assert_eq!(found, InvalidToken::Header, "{header}");
    }
}

#[test]
fn the_public_key_is_not_a_secret() {
    for (name, auth) in [
        ("rsa", rsa()),
        ("p256", ecdsa("p256")),
        ("ed25519", ed25519()),
    ] {
        let pem = key(name, "public");
        let inner: String = pem.lines().filter(|line| !line.contains("-----")).collect();
        for secret in [
            pem.as_str(),
            pem.trim_end(),
            &pem.replace('\n', "\r\n"),
            &inner,
            "",
        ] {
            for alg in ["HS256", "HS384", "RS256", "ES256", "EdDSA", "PS256"] {
                let header = format!(r#"{{"alg":"{alg}"}}"#);
                let token = signed_with(secret.as_bytes(), &header, ANN);
                let found = invalid(&auth, &token);
                let faults = [InvalidToken::Algorithm, InvalidToken::Signature];
                assert!(faults.contains(&found), "{name} {alg}: {found}");
            }
        }
    }
}

#[test]
fn a_token_of_one_algorithm_is_not_valid_as_another_of_the_same_key() {
    for (from, to, auth) in [
        ("HS256", "HS512", hmac()),
        ("RS256", "PS256", rsa()),
        ("PS256", "RS256", rsa()),
        ("RS256", "RS512", rsa()),
    ] {
        let original = fixture(from);
        let (_, rest) = original.split_once('.').unwrap();
        let header = base64(&format!(r#"{{"alg":"{to}","typ":"JWT"}}"#));
        let found = invalid(&auth, &format!("{header}.{rest}"));
        assert_eq!(found, InvalidToken::Signature, "{from} as {to}");
    }
}

#[test]
fn members_that_name_a_key_have_no_effect() {
    let evil = "-----BEGIN PUBLIC KEY-----";
    let long = format!(r#""kid":"{}""#, "k".repeat(5_000));
    for member in [
        long.as_str(),
        r#""kid":"../../../../dev/null""#,
        r#""kid":"' UNION SELECT 'secret""#,
        r#""kid":{"$ne":null}"#,
        r#""kid":"/proc/sys/kernel/randomize_va_space""#,
        r#""jku":"http://127.0.0.1:1/jwks.json""#,
        r#""jwk":{"kty":"oct","k":"c2VjcmV0"}"#,
        r#""jwk":7"#,
        r#""x5u":"http://127.0.0.1:1/cert.pem""#,
        r#""x5c":["AAAA"]"#,
    ] {
        let header = format!(r#"{{"alg":"HS256",{member}}}"#);
        // The configured key decides, whatever the header names.
        let own = Verifier::new(&hmac()).connection(&signed(&header, ANN), NOW);
        assert!(own.is_ok(), "{header}: {own:?}");
        for secret in ["", "secret", "0", "2", evil] {
            let token = signed_with(secret.as_bytes(), &header, ANN);
            assert_eq!(
                invalid(&hmac(), &token),
                InvalidToken::Signature,
                "{header}"
            );
        }
    }
    for crit in [r#"["exp"]"#, "[]", "null", r#"["b64"],"b64":false"#] {
        let header = format!(r#"{{"alg":"HS256","crit":{crit}}}"#);
        assert_eq!(
            invalid(&hmac(), &signed(&header, ANN)),
            InvalidToken::Critical
        );
    }
}

#[test]
fn names_that_are_given_twice_are_refused() {
    for header in [
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","\u0061lg":"none"}"#,
        r#"{"alg":"HS256","x":1,"y":2,"x":3}"#,
    ] {
        assert_eq!(invalid(&hmac(), &signed(header, ANN)), InvalidToken::Header);
    }
    for claims in [
        r#"{"sub":"ann","sub":"admin"}"#,
        r#"{"sub":"ann","s\u0075b":"admin"}"#,
        r#"{"exp":1,"exp":9999999999}"#,
        r#"{"sub":null,"sub":"admin"}"#,
        r#"{"unknown":1,"sub":"ann","unknown":2}"#,
    ] {
        assert_eq!(
            invalid(&hmac(), &signed(HS256, claims)),
            InvalidToken::Claims
        );
    }
    // Names that differ in case are different names.
    let token = signed(HS256, r#"{"sub":"ann","SUB":"admin","Sub":"admin"}"#);
    let verified = Verifier::new(&hmac()).connection(&token, NOW);
    assert_eq!(&*verified.unwrap().user, "ann");
}

#[test]
fn claims_are_a_json_object_of_bounded_depth() {
    for claims in [
        "",
        "null",
        "[]",
        "1",
        "\"ann\"",
        "{",
        "{}x",
        "{'sub':1}",
        "{\"sub\":}",
        "{\"a\":01}",
    ] {
        let found = invalid(&hmac(), &signed(HS256, claims));
        assert_eq!(found, InvalidToken::Claims, "{claims}");
    }
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        signed(HS256, &format!(r#"{{"info":{open}{close}}}"#))
    };
    let deepest = nested(limits::JSON_DEPTH - 1);
    assert!(Verifier::new(&hmac()).connection(&deepest, NOW).is_ok());
    for depth in [limits::JSON_DEPTH, 2_000] {
        assert_eq!(invalid(&hmac(), &nested(depth)), InvalidToken::Claims);
    }
    let header = format!(r#"{{"alg":"HS256","x":{}"#, "[".repeat(3_000));
    assert_eq!(
        invalid(&hmac(), &signed(&header, ANN)),
        InvalidToken::Header
    );
}

#[test]
fn base64_is_strict() {
    let good = signed(HS256, ANN);
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("a token has three parts");
    };
    for (token, fault) in [
        (String::new(), InvalidToken::Malformed),
        (".".into(), InvalidToken::Malformed),
        ("..".into(), InvalidToken::Header),
        ("...".into(), InvalidToken::Malformed),
        (header.into(), InvalidToken::Malformed),
        (format!("{header}.{claims}"), InvalidToken::Malformed),
        (format!("{header}.{claims}."), InvalidToken::Signature),
        (format!("{header}..{signature}"), InvalidToken::Signature),
        (format!(".{claims}.{signature}"), InvalidToken::Header),
        (format!("{good}."), InvalidToken::Malformed),
        (format!(".{good}"), InvalidToken::Malformed),
        (format!("{good}.{signature}"), InvalidToken::Malformed),
        (
            format!("{header}.{claims}.a.b.{signature}"),
            InvalidToken::Malformed,
        ),
        (format!("{good}="), InvalidToken::Malformed),
        (
            format!("{header}=.{claims}.{signature}"),
            InvalidToken::Malformed,
        ),
        (format!("{good} "), InvalidToken::Malformed),
        (format!(" {good}"), InvalidToken::Malformed),
        (format!("{good}\n"), InvalidToken::Malformed),
        (format!("{good}\0"), InvalidToken::Malformed),
        (format!("Bearer {good}"), InvalidToken::Malformed),
        (good[1..].into(), InvalidToken::Malformed),
        (good[4..].into(), InvalidToken::Header),
        (good[..good.len() - 2].into(), InvalidToken::Malformed),
        (good[..good.len() - 3].into(), InvalidToken::Signature),
        (format!("{good}AAAA"), InvalidToken::Signature),
        (
            format!("{header}.{claims}AAAA.{signature}"),
            InvalidToken::Signature,
        ),
    ] {
        assert_eq!(invalid(&hmac(), &token), fault, "{token:?}");
    }
    // The other alphabet, and bits beyond the last byte.
    let token = format!("{header}.{claims}.{}", "+/".repeat(21) + "A");
    assert_eq!(invalid(&hmac(), &token), InvalidToken::Malformed);
    let last = good.chars().last().unwrap();
    for other in ('A'..='Z').filter(|other| *other != last) {
        let token = format!("{}{other}", &good[..good.len() - 1]);
        Verifier::new(&hmac()).connection(&token, NOW).unwrap_err();
    }
    // The claims are decoded after the signature was verified.
    let message = format!("{}.!!!", base64(HS256));
    let key = jsonwebtoken::EncodingKey::from_secret(secret().as_bytes());
    let algorithm = jsonwebtoken::Algorithm::HS256;
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
    let found = invalid(&hmac(), &format!("{message}.{signature}"));
    assert_eq!(found, InvalidToken::Malformed);
    // Bytes that are not UTF-8.
    let message = format!("{}.{}", base64(HS256), "eyJzdWIiOiL_In0");
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
    let found = invalid(&hmac(), &format!("{message}.{signature}"));
    assert_eq!(found, InvalidToken::Claims);
}

#[test]
fn tokens_are_at_most_8_kib_long() {
    let of_length = |info: usize| token(&json!({"info": "x".repeat(info)}));
    let base = of_length(0).len();
    let longest = (0..).map(|more| of_length((limits::TOKEN_BYTES - base) * 3 / 4 - 3 + more));
    let tokens: Vec<String> = longest.take(6).collect();
    let is_short = |token: &String| token.len() <= limits::TOKEN_BYTES;
    assert!(tokens.iter().any(is_short) && !tokens.iter().all(is_short));
    for token in tokens {
        let verified = Verifier::new(&hmac()).connection(&token, NOW);
        assert_eq!(verified.is_ok(), token.len() <= limits::TOKEN_BYTES);
    }
    for filler in ["a", ".", "🎺", "\0"] {
        let long = filler.repeat(limits::TOKEN_BYTES / filler.len() + 1);
        assert!(long.len() > limits::TOKEN_BYTES);
        assert_eq!(invalid(&hmac(), &long), InvalidToken::TooLong);
    }
}

#[test]
fn faults_contain_no_part_of_the_token() {
    let secret = "hunter2";
    for token in [
        secret.to_owned(),
        signed(HS256, &format!(r#"{{"sub":["{secret}"]}}"#)),
        signed(HS256, &format!(r#"{{"exp":"{secret}"}}"#)),
        signed(&format!(r#"{{"alg":"{secret}"}}"#), ANN),
    ] {
        let found = invalid(&hmac(), &token);
        let text = format!("{found} {found:?} {}", found.name());
        assert!(
            !text.contains(secret) && !text.contains(&base64(secret)),
            "{text}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_the_verifier_panic(text in "\\PC*", header in ".{0,60}", body in ".{0,200}") {
        for auth in [hmac(), rsa()] {
            let mut verifier = Verifier::new(&auth);
            let parts = format!("{}.{}.{}", base64(&header), base64(&body), base64(&text));
            for token in [text.as_str(), &signed(HS256, &body), &signed(&header, ANN), &parts] {
                verifier.cost_us(&UnverifiedToken::read(token), TokenKind::Connection);
                let _ = verifier.connection(token, NOW);
                let _ = verifier.subscription(token, NOW);
            }
        }
    }

    #[test]
    fn only_what_was_signed_is_valid(at in any::<prop::sample::Index>(), byte in 0_u8..128) {
        let auth = ecdsa("p256");
        let original = fixture("ES256");
        let mut changed = original.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        let verified = Verifier::new(&auth).connection(&changed, NOW);
        prop_assert_eq!(verified.is_ok(), changed == original);
    }
}
