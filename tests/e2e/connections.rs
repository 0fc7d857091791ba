//! The list of the slowest connections on the admin port.

use std::net::TcpStream;

use fanfare::admin_client::AdminClient as Admin;
use serde_json::{Value, json};
use socket2::{Domain, Socket as TcpSocket, Type};

use crate::client::{ProtocolClient, RawSubscriber, WebSocketConnection};
use crate::publisher::Publisher;
use crate::server::Server;
use crate::wait::{wait_for, wait_until};

fn admin(server: &Server) -> Admin {
    Admin::new(&format!("127.0.0.1:{}", server.ports.admin), None).unwrap()
}

fn connections(server: &Server, limit: usize) -> Value {
    let body = admin(server).get(&format!("/connections?limit={limit}"));
    serde_json::from_str(&body.unwrap()).unwrap()
}

/// Connects a raw subscriber to `news` with a small receive buffer. Returns its address, too.
fn connect_slow_raw(server: &Server) -> (RawSubscriber, String) {
    let socket = TcpSocket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&server.ws_address().into()).unwrap();
    let stream = TcpStream::from(socket);
    let address = stream.local_addr().unwrap().to_string();
    let raw =
        RawSubscriber(WebSocketConnection::upgrade(stream, "/raw?topic=news&topic=other").unwrap());
    (raw, address)
}

#[test]
fn a_client_that_does_not_read_is_listed_first() {
    let server = Server::start(&["ws.slow=drop_oldest"]);
    let mut readers = Vec::new();
    for _ in 0..4 {
        readers.push(ProtocolClient::connect_subscribed(&server, &["news"]));
    }
    let none = json!({ "connections": [], "silent_shards": [] });
    assert_eq!(connections(&server, 10), none);
    let (slow, address) = connect_slow_raw(&server);
    let publisher = Publisher::with_push(&server);
    let payload = format!(r#"{{"x":"{}"}}"#, "x".repeat(8 * 1024));
    let mut publications = 0;
    let found = wait_for("a connection with pending publications", || {
        publisher.send("news", &payload);
        publications += 1;
        for reader in &mut readers {
            reader.next_publication();
        }
        let found = connections(&server, 10);
        let first = found["connections"].get(0)?;
        (first["pending"].as_u64()? >= 2).then_some(found)
    });
    assert_eq!(found["connections"].as_array().unwrap().len(), 1, "{found}");
    let first = &found["connections"][0];
    assert_eq!(first["peer"], address);
    assert_eq!(first["protocol"], "raw");
    assert_eq!(
        (&first["topics"], &first["blocked"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(
        (&first["deflate"], &first["client"]),
        (&json!(false), &Value::Null)
    );
    assert!(first["pending"].as_u64().unwrap() <= publications);
    assert!(first["pending_bytes"].as_u64().unwrap() > payload.len() as u64);
    assert!(first["behind_us"].as_u64().is_some());
    drop(slow);
    wait_until("the end of the connection", || {
        connections(&server, 10) == none
    });
}

#[test]
fn a_limit_out_of_range_is_refused() {
    let server = Server::start(&[]);
    let admin = admin(&server);
    for limit in ["0", "101", "-1", "many"] {
        let answer = admin.request("GET", &format!("/connections?limit={limit}"));
        assert_eq!(answer.unwrap().status, 400, "{limit}");
    }
    assert_eq!(
        admin.request("GET", "/connections?count=1").unwrap().status,
        400
    );
    assert!(admin.get("/connections").is_ok());
    assert!(admin.get("/connections?limit=100").is_ok());
}
