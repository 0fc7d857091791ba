//! Tokens that must not be accepted: headers, keys, claims and texts of known attacks.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare::limits::TOKEN_BYTES;

use crate::tokens::SECRET;

pub const HS256: &str = r#"{"alg":"HS256"}"#;
pub const ECDSA_PUBLIC_KEY: &str = include_str!("../fixtures/tokens/ecdsa_public.pem");

/// A token that is refused everywhere.
pub struct Hostile {
    pub name: String,
    /// The token for a connection.
    pub connection: String,
    /// The same for a subscription to the topic `a`.
    pub subscription: String,
}

impl Hostile {
    /// Makes both tokens from claims, of which those of a subscription name a topic.
    pub fn new(name: &str, claims: &str, make: impl Fn(&str) -> String) -> Self {
        let with_topic = claims.replacen('{', r#"{"channel":"a","#, 1);
        Self {
            name: name.chars().take(60).collect(),
            connection: make(claims),
            subscription: make(&with_topic),
        }
    }
}

/// Returns a token with this header and these claims as they are.
pub fn signed(secret: &str, header: &str, claims: &[u8]) -> String {
    let [header, claims] = [header.as_bytes(), claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let message = format!("{header}.{claims}");
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    let algorithm = jsonwebtoken::Algorithm::HS256;
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// Claims that are right for every place.
pub const ANN: &str = r#"{"sub":"ann","exp":1700003600}"#;

/// Returns claims that are right for every place, and have one more member.
pub fn claims_with(member: &str) -> String {
    format!(r#"{{"sub":"ann",{member}}}"#)
}

/// Returns headers that must not be accepted, each with its own signature.
fn headers() -> Vec<Hostile> {
    let mut headers = Vec::new();
    for alg in [
        "none", "None", "NONE", "nOnE", "none ", "", "hs256", "HS1", "ES512",
    ] {
        headers.push(format!(r#"{{"alg":"{alg}"}}"#));
    }
    for header in [
        "{}",
        "[]",
        "null",
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":null}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","\u0061lg":"none"}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#,
    ] {
        headers.push(header.to_owned());
    }
    headers.push(format!(r#"{{"alg":"HS256","x":{}"#, "[".repeat(3_000)));
    let tokens = headers.iter().map(|header| {
        Hostile::new(header, ANN, |claims| {
            signed(SECRET, header, claims.as_bytes())
        })
    });
    tokens.collect()
}

/// Returns tokens that are signed by another key, which their header may name.
fn foreign_keys() -> Vec<Hostile> {
    let long = "k".repeat(4_000);
    let mut found = Vec::new();
    for member in [
        r#""kid":"../../../../dev/null""#,
        r#""kid":"' UNION SELECT 'secret' --""#,
        r#""kid":{"$ne":null}"#,
        r#""kid":["a"]"#,
        &format!(r#""kid":"{long}""#),
        r#""jku":"http://127.0.0.1:1/jwks.json""#,
        r#""jwk":{"kty":"oct","k":"c2VjcmV0"}"#,
        r#""x5u":"http://127.0.0.1:1/cert.pem""#,
        r#""x5c":["AAAA"]"#,
    ] {
        for secret in ["", "secret", "0"] {
            let header = format!(r#"{{"alg":"HS256",{member}}}"#);
            let make = |claims: &str| signed(secret, &header, claims.as_bytes());
            found.push(Hostile::new(&header, ANN, make));
        }
    }
    // The public key as a secret.
    for secret in [ECDSA_PUBLIC_KEY, ECDSA_PUBLIC_KEY.trim_end()] {
        for alg in ["HS256", "ES256", "RS256", "PS256", "EdDSA"] {
            let header = format!(r#"{{"alg":"{alg}"}}"#);
            let make = |claims: &str| signed(secret, &header, claims.as_bytes());
            found.push(Hostile::new(&header, ANN, make));
        }
    }
    found
}

/// Returns claims with a right signature that must not be accepted.
fn claims() -> Vec<Hostile> {
    let nested = format!(r#""info":{}{}"#, "[".repeat(100), "]".repeat(100));
    let many: Vec<_> = (0..2_000).map(|_| r#""a""#).collect();
    let mut all = vec![
        String::new(),
        "null".into(),
        "[]".into(),
        "1".into(),
        "\"ann\"".into(),
        "{".into(),
        r#"{"sub":"ann","sub":"admin"}"#.into(),
        r#"{"sub":"ann","s\u0075b":"admin"}"#.into(),
        r#"{"sub":7}"#.into(),
        r#"{"sub":["ann"]}"#.into(),
    ];
    for member in [
        r#""exp":18446744073709551615"#,
        r#""exp":9223372036854775807"#,
        r#""exp":1e300"#,
        r#""exp":1e999"#,
        r#""exp":-1"#,
        r#""exp":"9999999999""#,
        r#""exp":true"#,
        r#""exp":[9999999999]"#,
        r#""iat":-1"#,
        r#""iat":"now""#,
        r#""nbf":-1"#,
        r#""nbf":{}"#,
        r#""expire_at":"1""#,
        r#""b64info":"%""#,
        r#""b64info":"/w==""#,
        r#""info":1,"info":2"#,
        &nested,
    ] {
        all.push(claims_with(member));
    }
    all.push(claims_with(&format!(r#""aud":[{}]"#, many.join(","))));
    let as_they_are = |claims: &str| signed(SECRET, HS256, claims.as_bytes());
    let found = all
        .iter()
        .map(|claims| Hostile::new(claims, claims, as_they_are));
    let not_utf8 = Hostile::new("not UTF-8", r#"{"sub":"?"}"#, |claims| {
        let bytes = claims
            .bytes()
            .map(|byte| if byte == b'?' { 0xff } else { byte });
        signed(SECRET, HS256, &bytes.collect::<Vec<_>>())
    });
    found.chain([not_utf8]).collect()
}

/// Makes a text of the three parts of a good token.
type Change = fn(&str, &str, &str) -> String;

/// Returns texts that are almost a good token.
fn texts() -> Vec<Hostile> {
    let changes: [(&str, Change); 18] = [
        ("no parts", |_, _, _| ".".into()),
        ("empty parts", |_, _, _| "..".into()),
        ("one part", |header, _, _| header.into()),
        ("two parts", |header, claims, _| {
            format!("{header}.{claims}")
        }),
        ("four parts", |header, claims, signature| {
            format!("{header}.{claims}.{signature}.{signature}")
        }),
        ("no signature", |header, claims, _| {
            format!("{header}.{claims}.")
        }),
        ("no claims", |header, _, signature| {
            format!("{header}..{signature}")
        }),
        ("no header", |_, claims, signature| {
            format!(".{claims}.{signature}")
        }),
        ("a point", |header, claims, signature| {
            format!("{header}.{claims}.{signature}.")
        }),
        ("padding", |header, claims, signature| {
            format!("{header}.{claims}.{signature}=")
        }),
        ("padding of the header", |header, claims, signature| {
            format!("{header}=.{claims}.{signature}")
        }),
        ("a space", |header, claims, signature| {
            format!("{header}.{claims}.{signature} ")
        }),
        ("a zero", |header, claims, signature| {
            format!("{header}.{claims}.{signature}\0")
        }),
        ("the other alphabet", |header, claims, _| {
            format!("{header}.{claims}.{}A", "+/".repeat(21))
        }),
        ("a shorter signature", |header, claims, signature| {
            format!("{header}.{claims}.{}", &signature[..signature.len() - 1])
        }),
        ("a shorter header", |header, claims, signature| {
            format!("{}.{claims}.{signature}", &header[1..])
        }),
        ("a long signature", |header, claims, _| {
            let length = TOKEN_BYTES + 1 - header.len() - claims.len() - 2;
            format!("{header}.{claims}.{}", "A".repeat(length))
        }),
        ("a long text", |_, _, _| "a".repeat(TOKEN_BYTES + 1)),
    ];
    let hostile = |(name, change): &(&str, Change)| {
        Hostile::new(name, ANN, |claims| {
            let good = signed(SECRET, HS256, claims.as_bytes());
            let parts: Vec<_> = good.split('.').collect();
            change(parts[0], parts[1], parts[2])
        })
    };
    changes.iter().map(hostile).collect()
}

/// Returns every hostile token.
pub fn all() -> Vec<Hostile> {
    [headers(), foreign_keys(), claims(), texts()]
        .into_iter()
        .flatten()
        .collect()
}
