//! Secrets, keys, passwords and tokens in everything that the server prints and answers, with every
//! log line on.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tungstenite::Message;

use crate::client::WebSocketConnection;
use crate::publisher::Publisher;
use crate::server::{Ports, Server, exchange};
use crate::wait::{TIMEOUT, wait_until};

const SECRET: &str = "hmac-secret-0123456789abcdef0123456789";
const PREVIOUS: &str = "previous-secret-0123456789abcdef012345";
const OF_SUBSCRIPTIONS: &str = "subscription-secret-0123456789abcdef01";
const OTHER: &str = "the-secret-of-an-attacker-0123456789ab";

/// The texts that must appear nowhere, besides tokens.
const SECRETS: [&str; 9] = [
    SECRET,
    PREVIOUS,
    OF_SUBSCRIPTIONS,
    "admin-token-value",
    "scrape-token-value",
    "api-key-value",
    "plain-password",
    "wrong-admin-token",
    "wrong-password",
];

fn token(secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::default(), claims, &key).unwrap()
}

/// Returns tokens of every result, each for a connection and for a subscription.
fn tokens() -> Vec<String> {
    let now_s = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let mut tokens = Vec::new();
    for channel in [Value::Null, json!("news")] {
        let claims = |user: &str, exp: u64| json!({"sub": user, "exp": exp, "channel": channel});
        for secret in [SECRET, PREVIOUS, OF_SUBSCRIPTIONS, OTHER] {
            tokens.push(token(secret, &claims("a-user", now_s + 600)));
            tokens.push(token(secret, &claims("a-user", now_s - 600)));
            tokens.push(token(secret, &claims("another-user", now_s + 600)));
            tokens.push(token(secret, &json!({"sub": 7, "channel": channel})));
        }
    }
    let none = tokens[0].replacen(
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9",
        "eyJhbGciOiJub25lIn0",
        1,
    );
    tokens.push(none);
    tokens.push("malformed-token-of-a-client".into());
    tokens.push(format!("{}.cut-off-in-the-middle", tokens[0]));
    tokens.push("longer-than-a-token-may-be.".repeat(400));
    tokens
}

/// Sends commands on a connection that is closed by the last of them, or stays open.
fn send(server: &Server, target: &str, commands: &[Value]) {
    let Ok(mut connection) = WebSocketConnection::try_connect(server, target) else {
        return;
    };
    for command in commands {
        connection.send(Message::text(command.to_string()));
        let closed = !matches!(
            connection.try_read_within(TIMEOUT),
            Ok(Some(Message::Text(_)))
        );
        if closed {
            return;
        }
    }
}

/// Sends a token in every place where a client can send one.
fn send_everywhere(server: &Server, token: &str, good: &str) {
    let client = "/connection/websocket";
    let connect = |token: &str| json!({"id": 1, "connect": {"token": token}});
    let subscription = json!({"channel": "news", "token": token});
    send(server, client, &[connect(token)]);
    for command in [
        json!({"id": 2, "subscribe": subscription}),
        json!({"id": 2, "refresh": {"token": token}}),
        json!({"id": 2, "sub_refresh": subscription}),
        // Commands with a mistake.
        json!({"id": 2, "subscribe": {"channel": 7, "token": token}}),
        json!({"id": 2, "tokens": {"token": token}}),
    ] {
        send(server, client, &[connect(good), command]);
    }
    // The query and the header of a raw connection, and other paths with the same query.
    for path in [
        "/raw?topic=news&token=",
        "/raw?token=",
        "/?token=",
        "/health?token=",
    ] {
        send(server, &format!("{path}{token}"), &[]);
    }
    let head = "GET /raw?topic=news HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
                Connection: close, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for version in ["13", "12"] {
        let request = format!(
            "{head}Sec-WebSocket-Version: {version}\r\nOrigin: http://a.example\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        );
        let response = exchange(server.ws_address(), request.as_bytes());
        assert!(!response.contains(token), "{response}");
    }
}

/// Sends right and wrong keys to the admin port. Returns all answers.
fn ask_admin(server: &Server) -> String {
    let mut answers = String::new();
    let pages = [
        "/",
        "/metrics",
        "/stats",
        "/connections",
        "/load",
        "/health",
        "/config",
    ];
    for page in pages {
        for key in [
            "admin-token-value",
            "scrape-token-value",
            "wrong-admin-token",
        ] {
            let request = format!(
                "GET {page} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                 Authorization: Bearer {key}\r\n\r\n"
            );
            answers += &exchange(server.admin_address(), request.as_bytes());
        }
    }
    for (target, header) in [
        ("/api/info?api_key=api-key-value", "Accept: */*"),
        ("/api/publish", "X-API-Key: api-key-value"),
        ("/api/unknown", "Authorization: apikey api-key-value"),
        (
            "/api/info?api_key=wrong-admin-token",
            "X-API-Key: wrong-admin-token",
        ),
        (
            "/publish?token=admin-token-value",
            "Authorization: Bearer admin-token-value",
        ),
        (
            "/drain?share=admin-token-value",
            "Authorization: Bearer admin-token-value",
        ),
    ] {
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n\
             Content-Length: 2\r\n\r\n{{}}"
        );
        answers += &exchange(server.admin_address(), request.as_bytes());
    }
    answers
}

/// Connects publishers with a right and a wrong password.
fn publish(server: &Server) {
    let endpoint = format!("tcp://127.0.0.1:{}", server.ports.router);
    for password in ["plain-password", "wrong-password"] {
        let publisher = Publisher::connect_to(zmq::DEALER, &endpoint, |socket| {
            socket.set_plain_username(Some("ann")).unwrap();
            socket.set_plain_password(Some(password)).unwrap();
        });
        publisher.send_parts(&[b"", b"other", b"1"]);
        if password == "plain-password" {
            assert_eq!(publisher.reply()[1], b"error");
        } else {
            server.await_output("denied a publisher");
        }
    }
}

/// Checks that a text has no secret, and no part of a token that could be used.
fn assert_clean(text: &str, tokens: &[String]) {
    let parts = tokens.iter().flat_map(|token| token.split('.').skip(1));
    let secrets = SECRETS
        .into_iter()
        .chain(parts.filter(|part| part.len() > 8));
    for secret in secrets {
        let found = text.lines().find(|line| line.contains(secret));
        assert_eq!(found, None, "contains {secret}");
    }
}

#[test]
fn nothing_that_is_printed_or_answered_contains_a_secret_or_a_token() {
    for format in ["human", "json"] {
        let settings = [
            "log.level=trace".to_owned(),
            format!("log.format={format}"),
            "admin.token=admin-token-value".to_owned(),
            "admin.scrape_token=scrape-token-value".to_owned(),
            "admin.api_keys=api-key-value".to_owned(),
            "ingest.plain=ann:plain-password".to_owned(),
            "ingest.publish_allow=user:ann=news".to_owned(),
            format!("auth.token.hmac_secret_key={SECRET}"),
            format!("auth.token.hmac_previous_secret_key={PREVIOUS}"),
            format!("auth.subscription_token.hmac_secret_key={OF_SUBSCRIPTIONS}"),
        ];
        let settings: Vec<_> = settings.iter().map(String::as_str).collect();
        let server = Server::start_on(Ports::free(), &settings);
        let tokens = tokens();
        for token in &tokens {
            send_everywhere(&server, token, &tokens[0]);
        }
        publish(&server);
        let answers = ask_admin(&server);
        server.signal("HUP");
        server.signal("TERM");
        wait_until("the end of the drain", || {
            server.output().contains("the drain is complete")
        });
        let output = server.output();
        // The refusals themselves are printed.
        for printed in [
            "the signature of the token",
            "denied a publisher",
            "ingest.publish_allow",
        ] {
            assert!(output.contains(printed), "{printed}");
        }
        assert!(answers.contains("fanfare_tokens_total") && answers.contains("invalid"));
        assert_clean(&output, &tokens);
        assert_clean(&answers, &tokens);
    }
}
