//! The claims of a token whose signature is right. Shard threads.

use std::collections::HashSet;

use super::fault::{InvalidToken, TokenFault};
use super::members::Members;
use super::token::{ConnectionToken, SubscriptionToken, TokenSubscription};
use super::values::{self, list, number, whole};
use crate::config::TokenKeys;
use crate::protocol::topic;

/// Requirements on the claims of every token, and the name of the claim with the user.
pub(super) struct ClaimRules {
    audience: Box<str>,
    issuer: Box<str>,
    user_id_claim: Box<str>,
}

impl ClaimRules {
    pub(super) fn new(config: TokenKeys<'_>) -> Self {
        Self {
            audience: config.audience.into(),
            issuer: config.issuer.into(),
            user_id_claim: config.user_id_claim.into(),
        }
    }
}

/// The claims of one token.
pub(super) struct Claims<'a> {
    members: Members<'a>,
    user: Box<str>,
    /// Unix seconds, rounded down.
    expires_s: Option<u64>,
    /// Unix seconds, rounded up.
    begins_s: Option<u64>,
}

impl<'a> Claims<'a> {
    /// Parses claims and checks those that every token may have. Their times are compared with the
    /// clock by [`check_time`](Self::check_time), which must be called too.
    pub(super) fn parse(json: &'a [u8], rules: &ClaimRules) -> Result<Self, InvalidToken> {
        let members = Members::parse(json).ok_or(InvalidToken::Claims)?;
        let user = members.text(&rules.user_id_claim);
        let user = user.map_err(|_| InvalidToken::User)?.unwrap_or_default();
        time(&members, "iat")?;
        let claims = Self {
            user: user.into(),
            expires_s: time(&members, "exp")?.map(|time_s| whole(time_s.floor())),
            begins_s: time(&members, "nbf")?.map(|time_s| whole(time_s.ceil())),
            members,
        };
        if !rules.audience.is_empty() && !claims.has_audience(&rules.audience) {
            return Err(InvalidToken::Audience);
        }
        if !rules.issuer.is_empty() && claims.text("iss")?.as_deref() != Some(&rules.issuer) {
            return Err(InvalidToken::Issuer);
        }
        Ok(claims)
    }

    /// Checks that the token is valid at the time `unix_s`. There is no leeway.
    pub(super) fn check_time(&self, unix_s: u64) -> Result<(), TokenFault> {
        let has_expired = self.expires_s.is_some_and(|expires_s| unix_s >= expires_s);
        let has_begun = self.begins_s.is_none_or(|begins_s| unix_s >= begins_s);
        if has_expired || !has_begun {
            return Err(TokenFault::Expired);
        }
        Ok(())
    }

    pub(super) fn connection(self) -> Result<ConnectionToken, InvalidToken> {
        if self.members.get("channel").is_some() {
            return Err(InvalidToken::NotForConnection);
        }
        Ok(ConnectionToken {
            info: json_of(&self.members, "info", "b64info")?,
            expires_at_s: self.expires_at_s()?,
            subscriptions: self.subscriptions()?,
            user: self.user,
        })
    }

    pub(super) fn subscription(self) -> Result<SubscriptionToken, InvalidToken> {
        let channel = self.text("channel")?;
        let channel = channel.ok_or(InvalidToken::NotForSubscription)?;
        let client = self.text("client")?.filter(|client| !client.is_empty());
        Ok(SubscriptionToken {
            topic: topic_of(&channel, "channel")?,
            client,
            info: json_of(&self.members, "info", "b64info")?,
            expires_at_s: self.expires_at_s()?,
            user: self.user,
        })
    }

    fn text(&self, name: &'static str) -> Result<Option<Box<str>>, InvalidToken> {
        let text = self.members.text(name);
        text.map(|text| text.map(Into::into))
            .map_err(|_| InvalidToken::Claim(name))
    }

    fn has_audience(&self, audience: &str) -> bool {
        let Some(json) = self.members.get("aud") else {
            return false;
        };
        match self.members.text("aud") {
            Ok(text) => text.as_deref() == Some(audience),
            Err(_) => list(json).is_some_and(|all| all.iter().any(|each| each == audience)),
        }
    }

    /// Returns when the connection or subscription expires: not always with the token.
    fn expires_at_s(&self) -> Result<Option<u64>, InvalidToken> {
        if self.members.get("expire_at").is_none() {
            return Ok(self.expires_s);
        }
        let time_s = values::positive_time(&self.members, "expire_at");
        time_s.map_err(|_| InvalidToken::Claim("expire_at"))
    }

    fn subscriptions(&self) -> Result<Vec<TokenSubscription>, InvalidToken> {
        let subscriptions = match self.members.get("subs") {
            Some(json) => subscriptions(json).ok_or(InvalidToken::Claim("subs"))?,
            None => Vec::new(),
        };
        if !subscriptions.is_empty() {
            return Ok(subscriptions);
        }
        let names = match self.members.get("channels") {
            Some(json) => list(json).ok_or(InvalidToken::Claim("channels"))?,
            None => Vec::new(),
        };
        let mut seen = HashSet::new();
        let names = names.iter().filter(|name| seen.insert(name.as_str()));
        names
            .map(|name| {
                Ok(TokenSubscription {
                    topic: topic_of(name, "channels")?,
                    info: None,
                    data: None,
                })
            })
            .collect()
    }
}

/// Parses the value of `subs`. `override` is not supported and has no effect.
pub(super) fn subscriptions(json: &str) -> Option<Vec<TokenSubscription>> {
    let topics = Members::parse(json.as_bytes())?;
    let parse = |(name, options): (&str, &str)| {
        let options = if options == "null" { "{}" } else { options };
        let options = Members::parse(options.as_bytes())?;
        Some(TokenSubscription {
            topic: topic_of(name, "subs").ok()?,
            info: json_of(&options, "info", "b64info").ok()?,
            data: json_of(&options, "data", "b64data").ok()?,
        })
    };
    topics.iter().map(parse).collect()
}

/// Returns the topic that a claim names.
pub(super) fn topic_of(name: &str, claim: &'static str) -> Result<Box<str>, InvalidToken> {
    match topic::check(name.as_bytes()) {
        Ok(name) if name != topic::RESERVED => Ok(name.into()),
        Ok(_) | Err(_) => Err(InvalidToken::Claim(claim)),
    }
}

/// Returns the JSON of a claim, which another claim may contain in base64.
fn json_of(
    members: &Members<'_>,
    name: &'static str,
    base64_name: &'static str,
) -> Result<Option<Box<[u8]>>, InvalidToken> {
    let json = values::json_of(members, name, base64_name);
    json.map_err(|_| InvalidToken::Claim(base64_name))
}

/// Returns the Unix time that a claim contains, which need not be a whole number (RFC 7519,
/// section 2).
fn time(members: &Members<'_>, name: &'static str) -> Result<Option<f64>, InvalidToken> {
    let Some(json) = members.get(name) else {
        return Ok(None);
    };
    let time_s = number(json).filter(|time_s| *time_s >= 0.0);
    time_s.map(Some).ok_or(InvalidToken::Claim(name))
}
