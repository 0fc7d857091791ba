//! `[auth.token]` and `[auth.subscription_token]`: the keys that verify tokens. Used by shards.

use crate::config::http_url::HttpUrl;
use crate::config::table::table;
use crate::config::token_keys::{HmacSecret, PublicKey};

/// The values of one of the two tables.
#[derive(Clone, Copy)]
pub struct TokenKeys<'a> {
    pub hmac_secret: Option<&'a HmacSecret>,
    pub hmac_previous_secret: Option<&'a HmacSecret>,
    /// Unix seconds, or 0 for no end.
    pub hmac_previous_until_s: u64,
    pub rsa: Option<&'a PublicKey>,
    pub ecdsa: Option<&'a PublicKey>,
    pub ed25519: Option<&'a PublicKey>,
    /// If it is given, the keys above are not used.
    pub key_set: Option<&'a HttpUrl>,
    /// Empty: any.
    pub audience: &'a str,
    /// Empty: any.
    pub issuer: &'a str,
    pub user_id_claim: &'a str,
}

impl TokenKeys<'_> {
    /// Returns whether any token can be valid.
    pub fn has_key(&self) -> bool {
        self.has_own_key() || self.key_set.is_some()
    }

    /// Returns whether a key is in the configuration itself.
    pub fn has_own_key(&self) -> bool {
        let secrets = [self.hmac_secret, self.hmac_previous_secret];
        let keys = [self.rsa, self.ecdsa, self.ed25519];
        secrets.iter().any(Option::is_some) || keys.iter().any(Option::is_some)
    }
}

/// Declares one of the two tables, which have the same keys.
macro_rules! token_table {
    ($(#[doc = $about:literal])+ $Table:ident at $section:literal) => {
        table! {
            $(#[doc = $about])+
            pub struct $Table at $section {
                /// The secret of tokens that are signed with HS256, HS384 or HS512. Use 32 random
                /// bytes or more, as text.
                hmac_secret_key: Option<HmacSecret> as HMAC_SECRET = None, Live;
                /// The secret that was used before, while tokens signed with it are still in use.
                hmac_previous_secret_key: Option<HmacSecret> as HMAC_SECRET = None, Live;
                /// The time from which `hmac_previous_secret_key` is no longer accepted. `0`: it is
                /// accepted as long as it is set.
                hmac_previous_secret_key_valid_until: u64 as UNIX_SECONDS = 0, Live;
                /// The public key of tokens that are signed with RS256, RS384, RS512, PS256, PS384
                /// or PS512, of 2048 to 8192 bits.
                rsa_public_key: Option<PublicKey> as RSA_PUBLIC_KEY = None, Live;
                /// The public key of tokens that are signed with ES256 (a key on the curve P-256)
                /// or ES384 (P-384).
                ecdsa_public_key: Option<PublicKey> as ECDSA_PUBLIC_KEY = None, Live;
                /// The public key of tokens that are signed with Ed25519 (`EdDSA`).
                ed25519_public_key: Option<PublicKey> as ED25519_PUBLIC_KEY = None, Live;
                /// The URL of a key set (JWKS). If it is given, the key set verifies all tokens,
                /// and the keys above are not used. A token must name its key by `kid`.
                jwks_public_endpoint: Option<HttpUrl> as HTTP_URL = None, Live;
                /// The value that the claim `aud` of a token must have or contain. Empty: any.
                audience: String as NAME = String::new(), Live;
                /// The value that the claim `iss` of a token must have. Empty: any.
                issuer: String as NAME = String::new(), Live;
                /// The claim with the user. If a token does not have it, the user is anonymous.
                user_id_claim: String as CLAIM_NAME = "sub".into(), Live;
            }
        }

        impl $Table {
            pub(in crate::config) fn keys(&self) -> TokenKeys<'_> {
                TokenKeys {
                    hmac_secret: self.hmac_secret_key.as_ref(),
                    hmac_previous_secret: self.hmac_previous_secret_key.as_ref(),
                    hmac_previous_until_s: self.hmac_previous_secret_key_valid_until,
                    rsa: self.rsa_public_key.as_ref(),
                    ecdsa: self.ecdsa_public_key.as_ref(),
                    ed25519: self.ed25519_public_key.as_ref(),
                    key_set: self.jwks_public_endpoint.as_ref(),
                    audience: &self.audience,
                    issuer: &self.issuer,
                    user_id_claim: &self.user_id_claim,
                }
            }
        }
    };
}

token_table! {
    /// The keys that verify connection tokens. They verify subscription tokens too, unless
    /// `[auth.subscription_token]` has a key. The algorithm of a token must belong to a key that is
    /// set here. A token may be up to 8 KiB long.
    AuthTokenConfig at "auth.token"
}

token_table! {
    /// The keys that verify subscription tokens, if they are not those of `[auth.token]`. Without a
    /// secret or public key here, the other keys of this table have no effect.
    SubscriptionTokenConfig at "auth.subscription_token"
}
