//! `fanfare token`: makes and checks tokens, for trying out a configuration. Runs on the main
//! thread.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use fanfare::access::{
    InvalidToken, KeySetAnswer, KeySetResponse, ServiceQuestion, TokenFault, TokenKind,
    UnverifiedToken, Verifier,
};
use fanfare::config::{self, AuthConfig, AuthMode, TokenKeys};
use fanfare::service::probe;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value};

use super::arguments::Settings;
use super::exit::{FAILURE, SUCCESS, USAGE, fail, fail_each, print_result};

/// Make a token that is signed with the HMAC secret of the configuration, for trying out.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(disable_help_subcommand = true)]
pub(super) struct Token {
    #[command(subcommand)]
    command: Option<TokenCommand>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    request: Request,
}

/// The contents of the token to make.
#[derive(Args)]
struct Request {
    /// User of the token. An empty one is anonymous.
    #[arg(long, value_name = "NAME", required = true)]
    user: Option<String>,
    /// Time from now at which the token expires.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    expires: Duration,
    /// Make a subscription token for this topic instead of a connection token.
    #[arg(long, value_name = "TOPIC")]
    channel: Option<String>,
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Print the claims of a token that the configuration accepts, or why it is refused.
    Check(Check),
}

#[derive(Args)]
struct Check {
    #[command(flatten)]
    settings: Settings,
    /// Connection token or subscription token.
    #[arg(value_name = "TOKEN")]
    token: String,
}

pub(super) fn run(command: Token) -> ExitCode {
    let unix_s = SystemTime::now().duration_since(UNIX_EPOCH);
    let unix_s = unix_s.map_or(0, |since| since.as_secs());
    let (settings, check) = match command.command {
        Some(TokenCommand::Check(check)) => (check.settings, Some(check.token)),
        None => (command.settings, None),
    };
    let auth = match settings.load() {
        Ok((config, _)) => config.auth,
        Err(errors) => return fail_each(USAGE, errors),
    };
    let (result, code) = match check {
        Some(token) => (claims(&auth, &token, unix_s), FAILURE),
        None => (make(&auth, &command.request, unix_s), USAGE),
    };
    match result {
        Ok(text) => print_result(SUCCESS, &(text + "\n")),
        Err(fault) => fail(code, &fault),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = config::duration(text);
    duration.ok_or_else(|| "expected a duration such as 30s, 10m or 1h".into())
}

/// Returns a token as the back end would make it.
fn make(auth: &AuthConfig, request: &Request, unix_s: u64) -> Result<String, String> {
    let (table, keys) = keys_for(auth, request.channel.is_some());
    let secret = keys.hmac_secret.ok_or_else(|| {
        format!("{table}.hmac_secret_key is not set; name the configuration with -c or -s")
    })?;
    let user = request.user.clone().unwrap_or_default();
    let mut claims = Map::new();
    claims.insert(keys.user_id_claim.into(), user.into());
    claims.insert("iat".into(), unix_s.into());
    let expires_s = unix_s.saturating_add(request.expires.as_secs());
    claims.insert("exp".into(), expires_s.into());
    let optional = [
        ("aud", keys.audience),
        ("iss", keys.issuer),
        ("channel", request.channel.as_deref().unwrap_or_default()),
    ];
    for (name, value) in optional.into_iter().filter(|(_, value)| !value.is_empty()) {
        claims.insert(name.into(), value.into());
    }
    let key = EncodingKey::from_secret(secret.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &Value::from(claims), &key);
    token.map_err(|error| format!("the token cannot be signed: {error}"))
}

/// Returns the keys that verify a token, and the name of their table.
fn keys_for(auth: &AuthConfig, is_subscription: bool) -> (&'static str, TokenKeys<'_>) {
    match auth.subscription_keys() {
        Some(keys) if is_subscription => ("auth.subscription_token", keys),
        Some(_) | None => ("auth.token", auth.connection_keys()),
    }
}

/// Returns the claims of a token, or why the server refuses it.
fn claims(auth: &AuthConfig, token: &str, unix_s: u64) -> Result<String, String> {
    if auth.mode() == AuthMode::Open {
        return Err("no token is needed: [auth] is not set, or auth.insecure is on".into());
    }
    let mut verifier = Verifier::new(auth);
    fetch_keys(&mut verifier, token, unix_s)?;
    if let Err(connection) = verifier.connection(token, unix_s)
        && let Err(subscription) = verifier.subscription(token, unix_s)
    {
        let fault = if is_of_other_kind(connection) && !is_of_other_kind(subscription) {
            subscription
        } else {
            connection
        };
        // The key sets are at hand, so a key that is still needed does not exist.
        let fault = match fault {
            TokenFault::KeyNeeded => InvalidToken::UnknownKey.into(),
            fault => fault,
        };
        return Err(fault.to_string());
    }
    let claims = token.split('.').nth(1).unwrap_or_default();
    let claims = URL_SAFE_NO_PAD.decode(claims).unwrap_or_default();
    Ok(String::from_utf8_lossy(&claims).into_owned())
}

/// Fetches the key sets that may have the key of a token.
fn fetch_keys(verifier: &mut Verifier, token: &str, unix_s: u64) -> Result<(), String> {
    let token = UnverifiedToken::read(token);
    let mut urls = Vec::new();
    for kind in [TokenKind::Connection, TokenKind::Subscription] {
        if let Some(ServiceQuestion::KeySet(question)) = verifier.question(&token, kind)
            && !urls.contains(&question.url)
        {
            urls.push(question.url);
        }
    }
    for url in urls {
        let fetched = probe::fetch_key_set(&url);
        let (key_set, _) = fetched.map_err(|error| format!("the key set {url}: {error}"))?;
        let response = KeySetResponse::Fetched {
            key_set: Arc::new(key_set),
            age: Duration::ZERO,
        };
        verifier.accept(&KeySetAnswer { url, response }, unix_s);
    }
    Ok(())
}

/// Returns whether the token may be valid with the keys for the other kind of token.
fn is_of_other_kind(fault: TokenFault) -> bool {
    matches!(
        fault,
        TokenFault::KeyNeeded
            | TokenFault::Invalid(
                InvalidToken::Algorithm
                    | InvalidToken::KeyId
                    | InvalidToken::Signature
                    | InvalidToken::NotForConnection
                    | InvalidToken::NotForSubscription
            )
    )
}
