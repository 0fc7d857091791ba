//! Users with connections on several shards: the limit on their connections, and the server API.

use serde_json::{Value, json};
use tungstenite::Message;

use crate::client::WebSocketConnection;
use crate::server::{Server, exchange};
use crate::wait::{wait_for, wait_until};

const SECRET: &str = "a secret of tests with at least 32 bytes";

fn start(settings: &[&str]) -> Server {
    let secret = format!("auth.token.hmac_secret_key={SECRET}");
    let common = [&*secret, "admin.api_keys=key"];
    Server::start(&[&common, settings].concat())
}

fn token(user: &str) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let claims = json!({"sub": user, "channels": ["a"]});
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

/// Connects a raw client, or returns the status with which it is refused.
fn connect_raw(server: &Server, user: &str) -> Result<WebSocketConnection, u16> {
    WebSocketConnection::try_connect(server, &format!("/raw?topic=a&token={}", token(user)))
}

/// Connects a client. Returns the connection and the id of the client.
fn connect(server: &Server, user: &str) -> (WebSocketConnection, String) {
    let mut client = WebSocketConnection::connect(server, "/connection/websocket");
    let command = json!({"id": 1, "connect": {"token": token(user)}}).to_string();
    client.send(Message::text(command));
    let reply = next(&mut client);
    let id = reply["connect"]["client"].as_str().expect("a reply");
    (client, id.into())
}

fn next(client: &mut WebSocketConnection) -> Value {
    wait_for("a message", || {
        let message = client.read_within(std::time::Duration::from_millis(100))?;
        serde_json::from_str(message.to_text().ok()?).ok()
    })
}

/// Calls the server API, and checks that the call succeeds.
fn call(server: &Server, method: &str, parameters: &Value) {
    let body = parameters.to_string();
    let request = format!(
        "POST /api/{method} HTTP/1.1\r\nHost: a\r\nX-API-Key: key\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(server.admin_address(), request.as_bytes());
    assert!(answer.ends_with(r#"{"result":{}}"#), "{method}: {answer}");
}

#[test]
fn the_limit_on_connections_of_a_user_holds_on_all_shards_and_lost_connections_do_not_count() {
    let server = start(&["auth.user_connection_limit=3"]);
    for _ in 0..20 {
        let three: Vec<_> = (0..3)
            .map(|_| wait_for("a connection", || connect_raw(&server, "ann").ok()))
            .collect();
        assert_eq!(connect_raw(&server, "ann").err(), Some(403));
        assert!(connect_raw(&server, "bob").is_ok());
        // The sockets are closed without a close frame.
        drop(three);
    }
    wait_until("the end of all connections", || {
        server.metric("fanfare_closed_total", &["lost"]) == 80
    });
}

#[test]
fn the_server_api_reaches_the_connections_of_a_user_on_all_shards() {
    let server = start(&[]);
    let mut ann: Vec<_> = (0..16).map(|_| connect(&server, "ann")).collect();
    let (mut bob, _) = connect(&server, "bob");
    let parameters = json!({"user": "ann", "channel": "news", "data": {"n": 1}});
    call(&server, "subscribe", &parameters);
    for (client, _) in &mut ann {
        assert_eq!(next(client)["push"]["subscribe"]["data"]["n"], 1);
    }
    call(&server, "publish", &json!({"channel": "news", "data": 7}));
    for (client, _) in &mut ann {
        assert_eq!(next(client)["push"]["pub"]["data"], 7);
    }
    let (mut spared, id) = ann.pop().unwrap();
    let parameters = json!({"user": "ann", "whitelist": [id], "disconnect": {"code": 4000}});
    call(&server, "disconnect", &parameters);
    for (client, _) in &mut ann {
        assert_eq!(client.read_close_code(), Some(4000));
    }
    call(&server, "publish", &json!({"channel": "a", "data": 8}));
    for client in [&mut spared, &mut bob] {
        assert_eq!(next(client)["push"]["pub"]["data"], 8);
    }
}
