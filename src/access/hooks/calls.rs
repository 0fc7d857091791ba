//! Writes the calls of hooks: one JSON object each. Shard threads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::access::values::is_json;
use crate::protocol::codec::ClientCodec;
use crate::protocol::hook_parameters::HookParameters;
use crate::protocol::json::escape;

/// The client on whose behalf a hook is called.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The id of the connection.
    pub client: &'a str,
    pub codec: ClientCodec,
    /// Empty before the client is known, and for anonymous clients.
    pub user: &'a str,
    /// The value that the connect hook has stated for other hooks, as JSON.
    pub meta: Option<&'a [u8]>,
}

/// Returns the call of the connect hook.
pub fn connect(caller: &Caller<'_>, parameters: &HookParameters<'_>) -> Vec<u8> {
    let mut call = Call::begin(caller, parameters.data);
    call.optional_text("name", &parameters.name);
    call.optional_text("version", &parameters.version);
    if !parameters.topics.is_empty() {
        call.list("channels", &parameters.topics);
    }
    call.end()
}

/// Returns the call of the refresh hook.
pub fn refresh(caller: &Caller<'_>) -> Vec<u8> {
    let mut call = Call::begin(caller, None);
    call.client(caller);
    call.end()
}

/// Returns the call of the subscribe hook.
pub fn subscribe(caller: &Caller<'_>, topic: &str, data: Option<&[u8]>) -> Vec<u8> {
    let mut call = Call::begin(caller, data);
    call.client(caller);
    call.text("channel", topic);
    call.end()
}

/// Returns the call of the hook `sub_refresh`.
pub fn sub_refresh(caller: &Caller<'_>, topic: &str) -> Vec<u8> {
    subscribe(caller, topic, None)
}

/// Returns the call of the publish hook.
pub fn publish(caller: &Caller<'_>, topic: &str, data: &[u8]) -> Vec<u8> {
    subscribe(caller, topic, Some(data))
}

/// Returns the call of the hook `rpc`.
pub fn rpc(caller: &Caller<'_>, method: &str, data: Option<&[u8]>) -> Vec<u8> {
    let mut call = Call::begin(caller, data);
    call.client(caller);
    call.optional_text("method", method);
    call.end()
}

/// An object that is being written.
struct Call(Vec<u8>);

impl Call {
    /// Writes the members that all calls begin with, and the data of the client.
    fn begin(caller: &Caller<'_>, data: Option<&[u8]>) -> Self {
        // The JSON codec has checked its data.
        let is_json = |data: &[u8]| caller.codec == ClientCodec::Json || is_json(data);
        let binary = data.filter(|data| !is_json(data));
        let mut call = Self(Vec::with_capacity(256 + data.map_or(0, <[u8]>::len)));
        call.text("client", caller.client);
        call.text("transport", "websocket");
        let protocol = match caller.codec {
            ClientCodec::Json => "json",
            ClientCodec::Protobuf => "protobuf",
        };
        call.text("protocol", protocol);
        let encoding = if binary.is_some() { "binary" } else { "json" };
        call.text("encoding", encoding);
        match (data, binary) {
            (_, Some(bytes)) => call.text("b64data", &STANDARD.encode(bytes)),
            (Some(json), None) => call.json("data", json),
            (None, None) => {}
        }
        call
    }

    /// Writes who the client is.
    fn client(&mut self, caller: &Caller<'_>) {
        self.text("user", caller.user);
        if let Some(meta) = caller.meta {
            self.json("meta", meta);
        }
    }

    fn optional_text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.text(name, value);
        }
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        escape::string(&mut self.0, value);
    }

    fn json(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.0.extend_from_slice(value);
    }

    fn list(&mut self, name: &str, values: &[String]) {
        self.name(name);
        for (index, value) in values.iter().enumerate() {
            self.0.push(if index == 0 { b'[' } else { b',' });
            escape::string(&mut self.0, value);
        }
        self.0.push(b']');
    }

    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        escape::string(&mut self.0, name);
        self.0.push(b':');
    }

    fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(codec: ClientCodec) -> Caller<'static> {
        Caller {
            client: "9f3c",
            codec,
            user: "a\"nn",
            meta: Some(b"{\"k\":1}"),
        }
    }

    fn text(call: Vec<u8>) -> String {
        let text = String::from_utf8(call).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
        text
    }

    #[test]
    fn a_connect_call_has_what_the_client_sent() {
        let parameters = HookParameters {
            data: Some(b"{\"a\": 1}"),
            name: "js".into(),
            version: String::new(),
            topics: vec!["a\"b".into(), "c".into()],
            method: String::new(),
        };
        assert_eq!(
            text(connect(&caller(ClientCodec::Json), &parameters)),
            concat!(
                r#"{"client":"9f3c","transport":"websocket","protocol":"json","encoding":"json","#,
                r#""data":{"a": 1},"name":"js","channels":["a\"b","c"]}"#
            )
        );
        assert_eq!(
            text(connect(
                &caller(ClientCodec::Protobuf),
                &HookParameters::default()
            )),
            concat!(
                r#"{"client":"9f3c","transport":"websocket","protocol":"protobuf","#,
                r#""encoding":"json"}"#
            )
        );
    }

    #[test]
    fn other_calls_have_the_user_and_meta() {
        let begin =
            r#"{"client":"9f3c","transport":"websocket","protocol":"json","encoding":"json","#;
        let client = r#""user":"a\"nn","meta":{"k":1}"#;
        let caller = caller(ClientCodec::Json);
        let cases = [
            (refresh(&caller), format!("{begin}{client}}}")),
            (
                sub_refresh(&caller, "t"),
                format!(r#"{begin}{client},"channel":"t"}}"#),
            ),
            (
                subscribe(&caller, "t", Some(b"1")),
                format!(r#"{begin}"data":1,{client},"channel":"t"}}"#),
            ),
            (
                publish(&caller, "t", b"[]"),
                format!(r#"{begin}"data":[],{client},"channel":"t"}}"#),
            ),
            (
                rpc(&caller, "m", None),
                format!(r#"{begin}{client},"method":"m"}}"#),
            ),
        ];
        for (call, expected) in cases {
            assert_eq!(text(call), expected);
        }
    }

    #[test]
    fn bytes_that_are_not_json_are_written_in_base64() {
        let caller = caller(ClientCodec::Protobuf);
        let binary = text(rpc(&caller, "", Some(b"\xff\x00")));
        assert!(binary.contains(r#""encoding":"binary","b64data":"/wA=""#));
        let json = text(rpc(&caller, "", Some(b"{}")));
        assert!(json.contains(r#""encoding":"json","data":{}"#));
        let deep = [b"[".repeat(65), b"]".repeat(65)].concat();
        let deep = text(rpc(&caller, "", Some(&deep)));
        assert!(deep.contains(r#""encoding":"binary""#));
    }
}
