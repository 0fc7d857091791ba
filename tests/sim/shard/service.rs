//! Simulates the service thread, which calls the connect hook in some runs.

use fanfare::access::{HookResponse, ServiceAnswer};
use fanfare::config::{Config, HttpUrl};
use fanfare::fabric::{Fabric, ServiceCall};
use fanfare::hub::Ticket;
use tokio::sync::mpsc::UnboundedReceiver;

use super::world::World;

/// The questions of the shard.
pub struct Service {
    calls: UnboundedReceiver<ServiceCall>,
    unanswered: Vec<Ticket>,
}

impl Service {
    pub fn new(fabric: &Fabric) -> Self {
        Self {
            calls: fabric
                .service_calls
                .take_receiver()
                .expect("it is not taken"),
            unanswered: Vec::new(),
        }
    }
}

/// Lets a hook decide who may connect, and allows everything else.
pub fn add_connect_hook(config: &mut Config) {
    let url = HttpUrl::parse("http://127.0.0.1:1/").expect("it is a URL");
    config.auth.hooks.connect.endpoint = Some(url);
    // Raw connections ask no hook.
    config.auth.allow_anonymous = true;
    for namespace in &mut config.namespaces {
        namespace.allow_subscribe_for_client = true;
        namespace.allow_subscribe_for_anonymous = true;
        namespace.allow_publish_for_client = true;
        namespace.allow_publish_for_anonymous = true;
    }
}

impl World {
    /// Answers one question of the shard. Returns whether there was one. Answers come in any order,
    /// also for connections that have ended.
    pub fn answer_service(&mut self) -> bool {
        while let Ok(call) = self.service.calls.try_recv() {
            self.service.unanswered.push(call.ticket);
        }
        let count = self.service.unanswered.len();
        if count == 0 {
            return false;
        }
        let index = self.random.usize(..count);
        let ticket = self.service.unanswered.swap_remove(index);
        let body = match self.random.u32(..8) {
            0 => &br#"{"disconnect":{"code":4501,"reason":"refused"}}"#[..],
            _ => br#"{"result":{}}"#,
        };
        let body = body.to_vec();
        let answer = ServiceAnswer::Hook(HookResponse::Complete { status: 200, body });
        self.fabric.answer_shard(0, ticket, answer);
        self.kernel.coverage.hooks_answered += 1;
        self.note(|| "a hook answers".into());
        true
    }
}
