//! `fanfare token`: makes tokens that the same configuration accepts, and names faults of others.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};

use crate::run;

const SECRET: &str = "auth.token.hmac_secret_key=0123456789abcdef0123456789abcdef";

/// Runs `fanfare token` with these arguments and the secret.
fn token(arguments: &[&str]) -> (i32, String, String) {
    run(&[arguments, &["-s", SECRET]].concat())
}

#[test]
fn a_token_that_was_made_is_valid() {
    let issuer = "auth.token.issuer=me";
    let make = ["token", "--user", "ann", "--expires", "10m", "-s", issuer];
    let (code, signed, error) = token(&make);
    assert_eq!((code, error.as_str()), (0, ""));
    let signed = signed.trim_end();
    let (code, claims, _) = token(&["token", "check", signed]);
    assert_eq!(code, 0);
    assert!(claims.contains("\"sub\":\"ann\"") && claims.contains("\"iss\":\"me\""));

    let (code, _, error) = token(&["token", "check", &signed[..signed.len() - 3]]);
    assert_eq!(code, 1);
    assert!(
        error.contains("the signature of the token does not match"),
        "{error}"
    );
    let other = "auth.token.hmac_secret_key=another secret that is 32 bytes long";
    let (code, _, _) = run(&["token", "check", signed, "-s", other]);
    assert_eq!(code, 1);
    let (code, _, error) = run(&["token", "check", signed]);
    assert!(code == 1 && error.contains("no token is needed"), "{error}");
}

#[test]
fn a_subscription_token_is_signed_with_its_own_secret() {
    let secret = "auth.subscription_token.hmac_secret_key=another secret of 32 bytes, or more";
    let make = ["token", "--user", "", "--channel", "news", "-s", secret];
    let (code, signed, _) = token(&make);
    assert_eq!(code, 0);
    let check = ["token", "check", signed.trim_end()];
    let (code, claims, _) = token(&[&check[..], &["-s", secret]].concat());
    assert!(
        code == 0 && claims.contains("\"channel\":\"news\""),
        "{claims}"
    );
    assert_eq!(
        token(&check).0,
        1,
        "the connection secret does not verify it"
    );
}

#[test]
fn an_expired_token_and_a_missing_secret_are_named() {
    let (_, signed, _) = token(&["token", "--user", "ann", "--expires", "0s"]);
    let (code, _, error) = token(&["token", "check", signed.trim_end()]);
    assert!(code == 1 && error.contains("has expired"), "{error}");
    let (code, _, error) = run(&["token", "--user", "ann"]);
    assert_eq!(code, 2);
    assert!(
        error.contains("auth.token.hmac_secret_key is not set"),
        "{error}"
    );
    assert_eq!(token(&["token"]).0, 2, "a user is required");
}

#[test]
fn a_token_with_a_key_of_a_key_set_is_checked() {
    let all: Value = serde_json::from_str(include_str!("../access/key_set.json")).expect("JSON");
    let signed = all["tokens"]["ES256"].as_str().expect("there is a token");
    let check = |keys: Value| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let body = json!({ "keys": keys }).to_string();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("the command connects");
            let _ = socket.read(&mut [0; 4096]);
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            let _ = socket.write_all(head.as_bytes());
        });
        let url = format!("auth.token.jwks_public_endpoint=http://{address}/keys");
        let result = run(&["token", "check", signed, "-s", &url]);
        server.join().expect("the server ends");
        result
    };
    let (code, claims, error) = check(all["key_set"]["keys"].clone());
    assert!(code == 0 && claims.contains("\"sub\":\"ann\""), "{error}");
    let (code, _, error) = check(json!([]));
    assert!(
        code == 1 && error.contains("does not have the key"),
        "{error}"
    );
    let url = "auth.token.jwks_public_endpoint=http://127.0.0.1:1/";
    let (code, _, error) = run(&["token", "check", signed, "-s", url]);
    assert!(code == 1 && error.contains("cannot connect"), "{error}");
}
