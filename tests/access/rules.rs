//! The permissions of namespaces, as a table.

use fanfare::access::{TokenPresence, rules};
use fanfare::config::{AuthConfig, ChannelRegex, Config, Namespace};
use fanfare::protocol::codes::ClientError;

use crate::support::hmac;

use TokenPresence::{Absent, Valid};

/// Returns the namespace with this name, in which these permissions are set.
fn namespace(name: &str, permissions: &[&str]) -> Namespace {
    let mut namespace = Namespace {
        name: name.into(),
        ..Config::default().namespaces[0].clone()
    };
    for permission in permissions {
        let value = match *permission {
            "subscribe" => &mut namespace.allow_subscribe_for_client,
            "subscribe anonymous" => &mut namespace.allow_subscribe_for_anonymous,
            "publish" => &mut namespace.allow_publish_for_client,
            "publish subscriber" => &mut namespace.allow_publish_for_subscriber,
            "publish anonymous" => &mut namespace.allow_publish_for_anonymous,
            "users" => &mut namespace.allow_user_limited_channels,
            "old publish" => &mut namespace.publish,
            other => panic!("{other} is not a permission"),
        };
        *value = true;
    }
    namespace
}

const DENIED: Result<(), ClientError> = Err(ClientError::PermissionDenied);
const BAD_NAME: Result<(), ClientError> = Err(ClientError::BadRequest);

#[test]
fn subscriptions() {
    let auth = hmac();
    let anonymous = &["subscribe", "subscribe anonymous"][..];
    for (permissions, name, user, token, expected) in [
        // Without a permission, a token decides.
        (&[][..], "n:a", "1", Absent, DENIED),
        (&[], "n:a", "1", Valid, Ok(())),
        (&[], "n:a", "", Valid, Ok(())),
        (&["subscribe"], "n:a", "1", Absent, Ok(())),
        (&["subscribe"], "n:a", "", Absent, DENIED),
        (&["subscribe anonymous"], "n:a", "", Absent, DENIED),
        (&["subscribe anonymous"], "n:a", "1", Absent, DENIED),
        (anonymous, "n:a", "", Absent, Ok(())),
        (&["publish"], "n:a", "1", Absent, DENIED),
        // A private topic always needs a token.
        (anonymous, "$n:a", "1", Absent, DENIED),
        (&[], "$n:a", "1", Valid, Ok(())),
        (&["users", "subscribe"], "$n:a#1", "1", Absent, DENIED),
        (anonymous, "n:$a", "1", Absent, Ok(())),
        // A topic that names users is for them, whatever else is permitted.
        (&["users"], "n:a#1", "1", Absent, Ok(())),
        (&["users"], "n:a#1,2", "2", Absent, Ok(())),
        (&["users"], "n:a#1,2", "3", Absent, DENIED),
        (&["users"], "n:a#1,2", "1,2", Absent, DENIED),
        (&["users"], "n:a#12", "1", Absent, DENIED),
        (&["users"], "n:a#1 ", "1", Absent, DENIED),
        (&["users"], "n:a#1#2", "1", Absent, DENIED),
        (&["users"], "n:a#1#2", "2", Absent, Ok(())),
        (&["users"], "n:a#", "", Absent, DENIED),
        (&["users"], "n:a#1,,2", "", Absent, DENIED),
        (&["users"], "n:a", "1", Absent, DENIED),
        (&["users", "subscribe"], "n:a#1", "3", Absent, DENIED),
        (&["users", "subscribe"], "n:a", "3", Absent, Ok(())),
        (&["users"], "n:a#1", "3", Valid, Ok(())),
        (anonymous, "n:a#1", "1", Absent, DENIED),
        (&[], "#1", "1", Absent, DENIED),
    ] {
        let namespace = namespace("n", permissions);
        let found = rules::subscribe(&auth, &namespace, name, user, token);
        assert_eq!(found, expected, "{permissions:?} {name} {user:?} {token:?}");
    }
}

#[test]
fn the_marks_in_topics_can_be_changed_and_switched_off() {
    let mut auth = AuthConfig {
        private_prefix: String::new(),
        user_boundary: String::new(),
        ..hmac()
    };
    let all = namespace("", &["subscribe", "users"]);
    let subscribe = |auth: &AuthConfig, name: &str| rules::subscribe(auth, &all, name, "1", Absent);
    assert_eq!(subscribe(&auth, "$a"), Ok(()));
    assert_eq!(subscribe(&auth, "a#2"), Ok(()));
    auth.private_prefix = "private/".into();
    auth.user_boundary = "--".into();
    auth.user_separator = String::new();
    assert_eq!(subscribe(&auth, "private/a"), DENIED);
    assert_eq!(subscribe(&auth, "a--1"), Ok(()));
    assert_eq!(subscribe(&auth, "a--1,2"), DENIED);
    assert_eq!(subscribe(&auth, "a#2"), Ok(()));
}

#[test]
fn publications() {
    let auth = hmac();
    for (permissions, user, is_subscribed, expected) in [
        (&[][..], "1", true, DENIED),
        (&["old publish"], "1", true, DENIED),
        (&["subscribe"], "1", true, DENIED),
        (&["publish"], "1", false, Ok(())),
        (&["publish"], "", true, DENIED),
        (&["publish", "publish anonymous"], "", false, Ok(())),
        (&["publish anonymous"], "", true, DENIED),
        (&["publish subscriber"], "1", true, Ok(())),
        (&["publish subscriber"], "1", false, DENIED),
        (&["publish subscriber"], "", true, DENIED),
        (
            &["publish subscriber", "publish anonymous"],
            "",
            true,
            Ok(()),
        ),
        (
            &["publish subscriber", "publish anonymous"],
            "",
            false,
            DENIED,
        ),
    ] {
        let namespace = namespace("n", permissions);
        let found = rules::publish(&auth, &namespace, "n:a", user, is_subscribed);
        assert_eq!(found, expected, "{permissions:?} {user:?} {is_subscribed}");
    }
}

#[test]
fn names_match_the_pattern_of_the_namespace() {
    let auth = hmac();
    let regex = || Some(ChannelRegex::parse("^[a-z]+$").unwrap());
    for (namespace_name, name, token, expected) in [
        ("n", "n:abc", Absent, Ok(())),
        ("n", "n:ABC", Absent, BAD_NAME),
        ("n", "n:", Absent, BAD_NAME),
        ("n", "n:n:abc", Absent, BAD_NAME),
        ("n", "n:ABC", Valid, BAD_NAME),
        ("n", "$n:abc", Valid, Ok(())),
        ("n", "$n:ABC", Valid, BAD_NAME),
        ("n", "$n:ABC", Absent, DENIED),
        ("", "abc", Absent, Ok(())),
        ("", "other:abc", Absent, BAD_NAME),
    ] {
        let namespace = Namespace {
            channel_regex: regex(),
            ..namespace(namespace_name, &["subscribe", "publish"])
        };
        let found = rules::subscribe(&auth, &namespace, name, "1", token);
        assert_eq!(found, expected, "{namespace_name:?} {name} {token:?}");
        if !name.starts_with('$') {
            let found = rules::publish(&auth, &namespace, name, "1", false);
            assert_eq!(found, expected, "{namespace_name:?} {name}");
        }
    }
}
