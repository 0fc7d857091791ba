//! A hub with hooks of the back end, which the tests answer.

use std::time::Duration;

use fanfare::access::{HookCall, HookResponse, ServiceAnswer, ServiceQuestion};
use fanfare::config::{Config, HookKind, HttpUrl, Namespace, SlowPolicy};
use fanfare::hub::{ConnectionId, Ticket};
use serde_json::{Value, json};

use crate::harness::HubHarness;
use crate::tokens::NOW_S;
use crate::upstream::{config, namespace};
use crate::wire::ServerFrame;

pub const INTERNAL: &str = r#"{"code":100,"message":"internal server error","temporary":true}"#;

/// Returns a configuration with all hooks, whose namespace `""` asks them.
pub fn hooked() -> Config {
    hooked_with(|_| {})
}

pub fn hooked_with(change: impl FnOnce(&mut Namespace)) -> Config {
    let mut config = config();
    let url = || Some(HttpUrl::parse("http://127.0.0.1:1/hook").unwrap());
    let hooks = &mut config.auth.hooks;
    hooks.connect.endpoint = url();
    hooks.refresh.endpoint = url();
    hooks.subscribe.endpoint = url();
    hooks.sub_refresh.endpoint = url();
    hooks.publish.endpoint = url();
    hooks.rpc.endpoint = url();
    hooks.http_headers = vec!["cookie".parse().unwrap(), "x-real-ip".parse().unwrap()];
    // No ping disturbs a test.
    config.ws.ping = Duration::from_secs(3_600);
    let mut asking = namespace("", SlowPolicy::Disconnect);
    asking.subscribe_hook = true;
    asking.publish_hook = true;
    asking.sub_refresh_hook = true;
    change(&mut asking);
    config.namespaces = vec![asking];
    config
}

/// A hub whose hooks the test answers.
pub struct Hooked(pub HubHarness);

impl Hooked {
    pub fn new(config: Config) -> Self {
        let mut harness = HubHarness::new(config);
        harness.hub.set_unix_time(NOW_S);
        Self(harness)
    }

    pub fn open(&mut self) -> ConnectionId {
        self.0.open_websocket("/connection/websocket")
    }

    /// Connects a client that the hook accepts with this result. Returns the reply to connect.
    pub fn connect_with(&mut self, result: &Value) -> (ConnectionId, Value) {
        let id = self.open();
        self.0.send_text(id, r#"{"id":1,"connect":{}}"#);
        self.answer(&json!({ "result": result }));
        let texts = self.0.read_texts(id);
        let [text] = &texts[..] else {
            panic!("not one reply: {texts:?}");
        };
        let mut reply: Value = serde_json::from_str(text).unwrap();
        (id, reply["connect"].take())
    }

    pub fn connect(&mut self) -> ConnectionId {
        self.connect_with(&json!({"user": "42"})).0
    }

    /// Takes the only question that is open.
    pub fn question(&mut self) -> (Ticket, HookCall) {
        self.0.run_turn();
        assert_eq!(self.0.service_questions.len(), 1, "one question is open");
        match self.0.service_questions.remove(0) {
            (ticket, ServiceQuestion::Hook(call)) => (ticket, call),
            (_, question) => panic!("{question:?} is not the call of a hook"),
        }
    }

    pub fn assert_no_question(&mut self) {
        self.0.run_turn();
        assert_eq!(self.0.service_questions.len(), 0);
    }

    /// Answers the only question that is open. Returns the call.
    pub fn answer(&mut self, body: &Value) -> (HookKind, Value) {
        self.answer_text(200, &body.to_string())
    }

    pub fn answer_text(&mut self, status: u16, body: &str) -> (HookKind, Value) {
        let (ticket, call) = self.question();
        self.0.answer_service(ticket, complete(status, body));
        (call.kind, serde_json::from_slice(&call.body).unwrap())
    }

    pub fn fail(&mut self) {
        let (ticket, _) = self.question();
        let failed = ServiceAnswer::Hook(HookResponse::Failed);
        self.0.answer_service(ticket, failed);
    }

    /// Sends a command, and returns its reply after the answer.
    pub fn reply(&mut self, id: ConnectionId, command: &str, answer: &Value) -> Vec<String> {
        self.0.send_text(id, command);
        self.answer(answer);
        self.0.read_texts(id)
    }
}

/// Returns a complete response.
pub fn complete(status: u16, body: &str) -> ServiceAnswer {
    let body = body.as_bytes().to_vec();
    ServiceAnswer::Hook(HookResponse::Complete { status, body })
}

/// Returns the close code of the only frame, if it is a close frame.
pub fn close_code(frames: &[ServerFrame]) -> Option<u16> {
    match frames {
        [ServerFrame::Close(code)] => *code,
        _ => None,
    }
}
