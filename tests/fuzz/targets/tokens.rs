//! Any bytes as a token, as the claims of a token that is signed, and as its header: there is no
//! panic, and what is accepted is what the text means to `serde_json`.
#![allow(unreachable_pub, reason = "each runner includes this file as a module")]

use std::cell::RefCell;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare::access::{InvalidToken, TokenFault, TokenKind, UnverifiedToken, Verifier};
use fanfare::config::{AuthConfig, HmacSecret, PublicKey};
use fanfare::limits::TOKEN_BYTES;
use fanfare::protocol::topic;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

const SECRET: &str = "a secret of the fuzz target, of more than 32 bytes";
const PUBLIC_KEY: &str = include_str!("../../fixtures/tokens/ecdsa_public.pem");
const NOW_S: u64 = 1_800_000_000;
const HS256: &[u8] = br#"{"alg":"HS256"}"#;
const ANN: &[u8] = br#"{"sub":"ann"}"#;

/// The members of an object. Their values may be numbers that `serde_json` cannot represent.
type Members = BTreeMap<String, Box<RawValue>>;

thread_local! {
    static VERIFIER: RefCell<Verifier> = RefCell::new(verifier());
}

fn verifier() -> Verifier {
    let mut auth = AuthConfig::default();
    auth.token.hmac_secret_key = Some(HmacSecret::parse(SECRET).expect("the secret is valid"));
    auth.token.ecdsa_public_key = Some(PublicKey::ecdsa(PUBLIC_KEY).expect("the key is valid"));
    Verifier::new(&auth)
}

/// Verifies one input. Its first byte chooses how: `t`, `c` or `h`.
pub fn tokens(data: &[u8]) {
    let (kind, rest) = data.split_first().unwrap_or((&b't', &[]));
    match kind {
        b'c' => check_claims(rest),
        b'h' => check_header(rest),
        _ => check_text(&String::from_utf8_lossy(rest)),
    }
}

/// Verifies a text as both kinds of token. A token is never both.
fn verify(token: &str) -> Result<Accepted, [TokenFault; 2]> {
    VERIFIER.with_borrow_mut(|verifier| {
        for kind in [TokenKind::Connection, TokenKind::Subscription] {
            assert!(verifier.cost_us(&UnverifiedToken::read(token), kind) > 0);
        }
        let connection = verifier.connection(token, NOW_S);
        let subscription = verifier.subscription(token, NOW_S);
        match (connection, subscription) {
            (Ok(connection), Err(_)) => {
                let topics = connection.subscriptions.into_iter();
                Ok(Accepted {
                    user: connection.user,
                    info: connection.info,
                    topics: topics.map(|each| each.topic).collect(),
                    is_subscription: false,
                })
            }
            (Err(_), Ok(subscription)) => Ok(Accepted {
                user: subscription.user,
                info: subscription.info,
                topics: vec![subscription.topic],
                is_subscription: true,
            }),
            (Err(first), Err(second)) => {
                for fault in [first, second] {
                    assert!(!fault.name().is_empty() && fault.to_string().len() > 20);
                }
                Err([first, second])
            }
            (Ok(_), Ok(_)) => panic!("the token is for a connection and for a subscription"),
        }
    })
}

/// The contents of an accepted token of either kind.
struct Accepted {
    user: Box<str>,
    info: Option<Box<[u8]>>,
    topics: Vec<Box<str>>,
    is_subscription: bool,
}

fn sign(header: &[u8], claims: &[u8]) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let message = format!("{header}.{claims}");
    let signature = signature_of(&message);
    format!("{message}.{signature}")
}

fn signature_of(message: &str) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("HMAC signs every message")
}

/// Checks a text that need not be signed.
fn check_text(token: &str) {
    if verify(token).is_ok() {
        let (message, signature) = token.rsplit_once('.').expect("a token has parts");
        assert_eq!(
            signature,
            signature_of(message),
            "the signature is made with the secret"
        );
    }
}

/// Checks a header whose signature is right for HS256.
fn check_header(header: &[u8]) {
    let token = sign(header, ANN);
    let is_accepted = verify(&token).is_ok();
    let oracle = serde_json::from_slice::<Members>(header).unwrap_or_default();
    let is_hs256 = member(&oracle, "alg").is_some_and(|alg| alg == "HS256");
    if is_accepted {
        assert!(is_hs256 && !oracle.contains_key("crit") && token.len() <= TOKEN_BYTES);
    }
}

/// Checks claims whose signature is right.
fn check_claims(claims: &[u8]) {
    let token = sign(HS256, claims);
    let result = verify(&token);
    if token.len() > TOKEN_BYTES {
        let too_long = TokenFault::Invalid(InvalidToken::TooLong);
        return assert_eq!(result.err(), Some([too_long; 2]));
    }
    let oracle = serde_json::from_slice::<Members>(claims);
    match result {
        Ok(accepted) => check_accepted(&accepted, &oracle.expect("the claims are an object")),
        Err(faults) => {
            for fault in faults {
                check_fault(fault, oracle.as_ref().ok());
            }
        }
    }
}

/// Returns the value of a member that is not `null`.
fn member(oracle: &Members, name: &str) -> Option<Value> {
    let value = serde_json::from_str::<Value>(oracle.get(name)?.get());
    value.ok().filter(|value| !value.is_null())
}

fn check_accepted(accepted: &Accepted, oracle: &Members) {
    let member = |name: &str| member(oracle, name);
    let user = member("sub").unwrap_or_else(|| "".into());
    assert_eq!(user.as_str(), Some(&*accepted.user));
    assert_eq!(member("channel").is_some(), accepted.is_subscription);
    let time = |name| member(name).map(|time| time.as_f64().expect("a time is a number"));
    let now_s = NOW_S as f64;
    assert!(time("exp").is_none_or(|exp| exp > now_s));
    assert!(time("nbf").is_none_or(|nbf| (0.0..=now_s).contains(&nbf)));
    assert!(time("iat").is_none_or(|iat| iat >= 0.0));
    for (index, name) in accepted.topics.iter().enumerate() {
        assert_eq!(topic::check(name.as_bytes()), Ok(&**name));
        assert_ne!(&**name, topic::RESERVED);
        assert!(
            !accepted.topics[..index].contains(name),
            "a topic is given once"
        );
    }
    if let Some(info) = &accepted.info {
        serde_json::from_slice::<IgnoredAny>(info).expect("clients receive the info in JSON");
    }
}

fn check_fault(fault: TokenFault, oracle: Option<&Members>) {
    match fault {
        TokenFault::Expired => {
            let oracle = oracle.expect("only an object expires");
            assert!(oracle.contains_key("exp") || oracle.contains_key("nbf"));
        }
        TokenFault::KeyNeeded | TokenFault::KeysUnavailable => {
            panic!("no key set is configured: {fault}");
        }
        TokenFault::Invalid(fault) => assert!(
            !matches!(
                fault,
                InvalidToken::TooLong
                    | InvalidToken::Malformed
                    | InvalidToken::Header
                    | InvalidToken::Critical
                    | InvalidToken::Algorithm
                    | InvalidToken::Signature
                    | InvalidToken::Audience
                    | InvalidToken::Issuer
            ),
            "{fault:?} is not about the claims"
        ),
    }
}
