//! Formats of keys that verify tokens. Errors do not contain the value. Used on the main thread at
//! start and on the control thread at a reload.

use super::format::{ValueFormat, Visibility};
use super::raw::RawValue;
use crate::config::token_keys::{HmacSecret, PublicKey};

pub(in crate::config) const HMAC_SECRET: ValueFormat<Option<HmacSecret>> = ValueFormat {
    name: "text",
    visibility: Visibility::Secret,
    read: |raw| {
        let text = raw.word().map_err(|_| "expected text")?;
        let secret = HmacSecret::parse(text).map_err(|fault| format!("the secret {fault}"))?;
        Ok(Some(secret))
    },
    show: |value| hidden(value.is_some()),
};

pub(in crate::config) const RSA_PUBLIC_KEY: ValueFormat<Option<PublicKey>> = ValueFormat {
    name: "public key in PEM",
    visibility: Visibility::Secret,
    read: |raw| public_key(raw, PublicKey::rsa),
    show: |value| hidden(value.is_some()),
};

pub(in crate::config) const ECDSA_PUBLIC_KEY: ValueFormat<Option<PublicKey>> = ValueFormat {
    name: "public key in PEM",
    visibility: Visibility::Secret,
    read: |raw| public_key(raw, PublicKey::ecdsa),
    show: |value| hidden(value.is_some()),
};

pub(in crate::config) const ED25519_PUBLIC_KEY: ValueFormat<Option<PublicKey>> = ValueFormat {
    name: "public key in PEM",
    visibility: Visibility::Secret,
    read: |raw| public_key(raw, PublicKey::ed25519),
    show: |value| hidden(value.is_some()),
};

pub(in crate::config) const UNIX_SECONDS: ValueFormat<u64> = ValueFormat {
    name: "Unix time in seconds",
    visibility: Visibility::Public,
    read: |raw| raw.number(),
    show: ToString::to_string,
};

fn public_key(
    raw: &RawValue,
    parse: fn(&str) -> Result<PublicKey, &'static str>,
) -> Result<Option<PublicKey>, String> {
    let text = raw.word().map_err(|_| "expected a public key in PEM")?;
    let key = parse(text).map_err(|fault| format!("the key {fault}"))?;
    Ok(Some(key))
}

/// Shows whether a key is set.
fn hidden(is_set: bool) -> String {
    let shown = if is_set { "***" } else { "none" };
    shown.into()
}
