//! Checks whether the services that the configuration names can be reached: key sets and hooks.

use fanfare::config::{Config, HookKind, HttpUrl};
use fanfare::service::probe;

use super::finding::Finding;
use super::knob::Verdict;

const KEY_SET_WHY: &str = "tokens are verified with these keys; without them, no client with a \
                           token can connect";
const HOOK_WHY: &str = "a command that needs the hook fails while the hook cannot be reached";

/// Sends one request to each service. Hooks get the method OPTIONS, which changes nothing.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let auth = &config.auth;
    let key_sets = [
        (
            "auth.token.jwks_public_endpoint",
            &auth.token.jwks_public_endpoint,
        ),
        (
            "auth.subscription_token.jwks_public_endpoint",
            &auth.subscription_token.jwks_public_endpoint,
        ),
    ];
    let key_sets = key_sets
        .into_iter()
        .filter_map(|(key, url)| Some(key_set(key, url.as_ref()?)));
    let hooks = HookKind::ALL
        .into_iter()
        .filter_map(|kind| hook(config, kind));
    key_sets.chain(hooks).collect()
}

fn key_set(name: &'static str, url: &HttpUrl) -> Finding {
    let (verdict, found, fix) = match probe::fetch_key_set(url) {
        Err(error) => (
            Verdict::Blocks,
            format!("{url}: {error}"),
            "check the URL, and whether this host may connect to it; the certificate must be valid \
             for a root of the system, or for one in the file that SSL_CERT_FILE names"
                .to_owned(),
        ),
        Ok((keys, skipped)) => {
            let skipped: Vec<_> = skipped
                .iter()
                .map(|key| format!("key {} {}", key.index, key.fault))
                .collect();
            let found = format!("{url}: {} keys can be used", keys.len());
            match (keys.is_empty(), skipped.as_slice()) {
                (true, _) => (
                    Verdict::Blocks,
                    found,
                    format!(
                        "publish a key with `kid` of the type RSA, EC (P-256, P-384) or OKP \
                         (Ed25519); {}",
                        skipped.join("; ")
                    ),
                ),
                (false, []) => (Verdict::Fine, found, String::new()),
                (false, _) => (
                    Verdict::Note,
                    found,
                    format!("no change if these keys are for other uses: {}", skipped.join("; ")),
                ),
            }
        }
    };
    Finding {
        name,
        verdict,
        found,
        wanted: "a key set with at least one key".into(),
        formula: "",
        why: KEY_SET_WHY,
        source: "RFC 7517",
        fix,
    }
}

fn hook(config: &Config, kind: HookKind) -> Option<Finding> {
    let hook = config.auth.hooks.get(kind)?;
    let url = hook.endpoint;
    let (verdict, found, fix) = match probe::reach_hook(url, hook.timeout) {
        Ok(status) => (
            Verdict::Fine,
            format!("{url}: reached, OPTIONS has the status {status}"),
            "",
        ),
        Err(error) => (
            Verdict::Weak,
            format!("{url}: {error}"),
            "start the service, or correct the URL; the certificate must be valid for a root of \
             the system, or for one in the file that SSL_CERT_FILE names",
        ),
    };
    Some(Finding {
        name: match kind {
            HookKind::Connect => "hooks.connect.endpoint",
            HookKind::Refresh => "hooks.refresh.endpoint",
            HookKind::Subscribe => "hooks.subscribe.endpoint",
            HookKind::SubRefresh => "hooks.sub_refresh.endpoint",
            HookKind::Publish => "hooks.publish.endpoint",
            HookKind::Rpc => "hooks.rpc.endpoint",
        },
        verdict,
        found,
        wanted: "a response over HTTP in time".into(),
        formula: "",
        why: HOOK_WHY,
        source: "docs/ACCESS.md",
        fix: fix.into(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Returns the URL of a server that gives the same response to every request.
    fn server(response: &'static str) -> HttpUrl {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        thread::spawn(move || {
            while let Ok((mut socket, _)) = listener.accept() {
                let _ = socket.read(&mut [0; 4096]);
                let _ = socket.write_all(response.as_bytes());
            }
        });
        HttpUrl::parse(&url).unwrap()
    }

    #[test]
    fn services_that_cannot_be_reached_are_reported_with_advice() {
        let down = HttpUrl::parse("http://127.0.0.1:1/").unwrap();
        let mut config = Config::default();
        assert_eq!(check(&config).len(), 0);
        config.auth.token.jwks_public_endpoint = Some(down.clone());
        config.auth.hooks.connect.endpoint = Some(down);
        let findings = check(&config);
        let verdicts: Vec<_> = findings.iter().map(|it| it.verdict.word()).collect();
        assert_eq!(verdicts, ["FAIL", "weak"]);
        for finding in &findings {
            assert!(
                finding.found.contains("cannot connect"),
                "{}",
                finding.found
            );
            assert!(finding.fix.contains("SSL_CERT_FILE"), "{}", finding.fix);
        }
    }

    #[test]
    fn the_keys_of_a_key_set_and_the_status_of_a_hook_are_reported() {
        let mut config = Config::default();
        let keys = "HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"keys\":[{},{}]}\n";
        config.auth.token.jwks_public_endpoint = Some(server(keys));
        let hook = "HTTP/1.1 405 No\r\ncontent-length: 0\r\n\r\n";
        config.auth.hooks.rpc.endpoint = Some(server(hook));
        let [keys, hook] = check(&config).try_into().ok().expect("two services");
        assert_eq!(keys.verdict.word(), "FAIL");
        assert!(keys.found.ends_with("0 keys can be used"), "{}", keys.found);
        assert!(keys.fix.contains("key 1 has no `kid`"), "{}", keys.fix);
        assert_eq!(
            (hook.name, hook.verdict.word()),
            ("hooks.rpc.endpoint", "ok")
        );
        assert!(hook.found.ends_with("the status 405"), "{}", hook.found);
    }
}
