//! The methods of the client protocol, and how a command selects one. Shard cores.

use super::command::CommandError;

/// A method. In every codec, a command has one member per method, which contains the parameters of
/// the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Connect,
    Subscribe,
    Unsubscribe,
    Publish,
    Refresh,
    SubRefresh,
    Ping,
    Send,
    Rpc,
    /// A method that fanfare does not implement, with its name.
    Unsupported(&'static str),
}

/// The members of a command, before the parameters of its method are read. `P` is what a codec
/// keeps of parameters.
pub(super) struct CommandMembers<P> {
    /// The id; 0 if the command has none.
    pub(super) id: u32,
    method: Option<(Method, P)>,
    has_several_methods: bool,
    /// Whether the command has a member that is no known method.
    pub(super) has_unknown: bool,
}

impl<P> Default for CommandMembers<P> {
    fn default() -> Self {
        Self {
            id: 0,
            method: None,
            has_several_methods: false,
            has_unknown: false,
        }
    }
}

impl<P> CommandMembers<P> {
    /// Adds a method and its parameters.
    pub(super) fn add(&mut self, method: Method, parameters: P) {
        self.has_several_methods |= self.method.replace((method, parameters)).is_some();
    }

    /// Returns the method of the command and its parameters; `None` if the command is a pong.
    pub(super) fn select(self) -> Result<Option<(Method, P)>, CommandError> {
        let Self {
            id, has_unknown, ..
        } = self;
        match self.method {
            // A message to the application has no reply, and needs no id.
            Some(send @ (Method::Send, _)) if !self.has_several_methods => Ok(Some(send)),
            None if id == 0 && !has_unknown => Ok(None),
            _ if id == 0 => Err(CommandError::IdMissing),
            Some(_) if self.has_several_methods => Err(CommandError::SeveralMethods { id }),
            Some(method) => Ok(Some(method)),
            None if has_unknown => Err(CommandError::UnknownMethod { id }),
            None => Err(CommandError::NoMethod),
        }
    }
}
