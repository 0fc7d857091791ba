//! Tokens whose key is in a key set that the shard has to ask for. Shard core.
//!
//! Such a token parks its connection. The answer goes to the verifier, then the command is executed
//! again: if its token still needs a key, its fault follows from the answer.

use crate::access::{ServiceAnswer, TokenFault, TokenKind, UnverifiedToken};

use super::Hub;
use super::parked::{Awaited, Wait};

impl Hub {
    /// Returns the result of a verification, or that the command waits for a key set.
    pub(super) fn await_key<T>(
        &mut self,
        verified: Result<T, TokenFault>,
        token: &UnverifiedToken<'_>,
        kind: TokenKind,
    ) -> Result<Result<T, TokenFault>, Wait> {
        // Only for this token: a later command of the same message asks for its own key.
        let fault_after_answer = self.key_fault.take();
        if !matches!(verified, Err(TokenFault::KeyNeeded)) {
            return Ok(verified);
        }
        if let Some(fault) = fault_after_answer {
            return Ok(Err(fault));
        }
        match self.verifier.question(token, kind) {
            Some(question) => Err(Wait::ForAnswer(question)),
            None => Ok(Err(TokenFault::KeysUnavailable)),
        }
    }

    /// Passes an answer to the verifier, before the command that awaits it is executed again.
    pub(super) fn accept_keys(&mut self, awaited: &Awaited) {
        if let Awaited::Answer(ServiceAnswer::KeySet(answer)) = awaited {
            self.verifier.accept(answer, self.unix_s);
            // A reload may have changed the URL. Then the command asks again.
            if self.verifier.has_key_set(&answer.url) {
                self.key_fault = Some(TokenFault::after(Some(&answer.response)));
            }
        }
    }
}
