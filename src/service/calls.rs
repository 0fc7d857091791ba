//! Takes the questions of the shards and starts a task for each. Service thread.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;

use crate::access::{HookResponse, KeySetResponse, ServiceAnswer, ServiceQuestion};
use crate::config::Config;
use crate::fabric::{AppliedVersion, Fabric, ServiceCall};

use super::hooks::Hooks;
use super::http_client::HttpClient;
use super::key_sets::{self, KeySets};
use super::pending_answer::PendingAnswer;

/// The questions of all shards.
pub(crate) struct ServiceCallHandler {
    receiver: UnboundedReceiver<ServiceCall>,
    fabric: Arc<Fabric>,
    hooks: Hooks,
    key_sets: KeySets,
    /// The version of the configuration that the next calls use.
    version: AppliedVersion,
}

impl ServiceCallHandler {
    /// Creates the handler of a process, or `None` if it has one already.
    pub(crate) fn new(config: &Config, fabric: Arc<Fabric>) -> Option<Self> {
        let receiver = fabric.service_calls.take_receiver()?;
        let client = HttpClient::new();
        Some(Self {
            receiver,
            hooks: Hooks::new(&config.auth.hooks, client.clone(), Arc::clone(&fabric)),
            key_sets: KeySets::new(client, Arc::clone(&fabric)),
            fabric,
            version: AppliedVersion::default(),
        })
    }

    /// Starts a task for each question, until this future is dropped.
    pub(super) async fn run(&mut self) {
        while let Some(call) = self.receiver.recv().await {
            self.apply_config();
            self.start(call);
        }
    }

    /// Answers the questions that no task has begun with. Shards cannot ask any more then.
    pub(super) fn close(mut self) {
        self.receiver.close();
        while let Ok(call) = self.receiver.try_recv() {
            drop(self.pending(&call));
        }
    }

    fn start(&self, call: ServiceCall) {
        let pending = self.pending(&call);
        match call.question {
            ServiceQuestion::Hook(hook) => {
                let call = self.hooks.call(hook, call.asked_at_us);
                tokio::spawn(async move {
                    let response = call.await;
                    pending.give(ServiceAnswer::Hook(response));
                });
            }
            ServiceQuestion::KeySet(question) => self.key_sets.answer(question, pending),
        }
    }

    fn pending(&self, call: &ServiceCall) -> PendingAnswer {
        let failure = match &call.question {
            ServiceQuestion::Hook(_) => ServiceAnswer::Hook(HookResponse::Failed),
            ServiceQuestion::KeySet(question) => {
                key_sets::answer(question.url.clone(), KeySetResponse::Unavailable)
            }
        };
        PendingAnswer::new(Arc::clone(&self.fabric), call.shard, call.ticket, failure)
    }

    /// Takes the newest configuration, if it has changed.
    fn apply_config(&mut self) {
        let Self {
            fabric,
            hooks,
            key_sets,
            version,
            ..
        } = self;
        fabric.config.apply(version, |config| {
            hooks.configure(&config.auth.hooks);
            key_sets.configure(&config.auth);
        });
    }
}
