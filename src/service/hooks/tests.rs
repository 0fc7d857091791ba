//! Calls of hooks: what a request contains, and services that fail in every way.

use std::io::{Read as _, Write as _};
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};

use crate::access::{ServiceAnswer, ServiceQuestion};
use crate::config::{Config, HttpUrl, StaticHeader};
use crate::service::tests::{Asker, Reaction, Stub, run};

use super::*;

const CERTIFICATE: &[u8] = include_bytes!("../test_certificate.pem");
const KEY: &[u8] = include_bytes!("../test_certificate_key.pem");

fn config(url: &str) -> Config {
    let mut config = Config::default();
    let hooks = &mut config.auth.hooks;
    hooks.connect.endpoint = Some(HttpUrl::parse(&format!("{url}/connect?a=b")).unwrap());
    hooks.timeout = Duration::from_millis(500);
    config
}

fn question(kind: HookKind) -> ServiceQuestion {
    ServiceQuestion::Hook(HookCall {
        kind,
        body: b"{\"client\":\"c\"}".into(),
        headers: vec![
            ("cookie".into(), "session=1".into()),
            ("x-forwarded".into(), "client".into()),
        ],
    })
}

fn results(fabric: &Fabric, kind: HookKind) -> Vec<(RequestResult, u64)> {
    let results = &fabric.service_meters.hook(kind).results;
    let counts = RequestResult::ALL.map(|result| (result, results.get(result)));
    counts.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// Calls the connect hook of a stub, and returns the answer and the result that was counted.
async fn call(asker: &mut Asker) -> (HookResponse, RequestResult) {
    let before = results(&asker.fabric, HookKind::Connect);
    let answer = asker.ask_and_wait(question(HookKind::Connect)).await;
    let ServiceAnswer::Hook(response) = answer else {
        panic!("{answer:?} is not the answer of a hook");
    };
    let after = results(&asker.fabric, HookKind::Connect);
    let mut counted = after.iter().filter(|each| !before.contains(each));
    let (result, _) = *counted.next().expect("the call is counted");
    assert_eq!(counted.next(), None, "{after:?}");
    (response, result)
}

#[test]
fn a_call_is_a_post_with_the_headers_of_the_client_and_of_the_configuration() {
    run(async {
        let stub = Stub::start(Reaction::ok("{\"result\":{}}")).await;
        let mut config = config(&stub.url);
        let headers = ["Authorization: Bearer a", "X-Forwarded: static"];
        let headers = headers.map(|header| StaticHeader::parse(header).unwrap());
        config.auth.hooks.static_headers = headers.into();
        let (mut asker, mut handler) = Asker::new(&config);
        let test = async {
            for _ in 0..3 {
                let (response, result) = call(&mut asker).await;
                let body = b"{\"result\":{}}".into();
                assert_eq!(response, HookResponse::Complete { status: 200, body });
                assert_eq!(result, RequestResult::Ok);
            }
            let request = stub.requests().pop().unwrap();
            assert!(
                request.starts_with("POST /connect?a=b HTTP/1.1\r\n"),
                "{request}"
            );
            assert!(request.ends_with("\r\n\r\n{\"client\":\"c\"}"), "{request}");
            for header in [
                "content-type: application/json",
                "authorization: Bearer a",
                "cookie: session=1",
                "x-forwarded: client",
                "content-length: 14",
                concat!("user-agent: fanfare/", env!("CARGO_PKG_VERSION")),
            ] {
                let count = request.lines().filter(|line| *line == header).count();
                assert_eq!(count, 1, "{header}: {request}");
            }
            assert_eq!(stub.connections(), 1, "the connection is used again");
            let meters = asker.fabric.service_meters.hook(HookKind::Connect);
            assert_eq!(meters.duration.snapshot().count(), 3);
            assert!(meters.is_in_use.load(Ordering::Relaxed));
        };
        tokio::select! {
            () = test => {}
            () = handler.run() => unreachable!(),
        }
    });
}

#[test]
fn every_failure_is_answered_and_counted_by_its_reason() {
    let long = vec![b'x'; HOOK_RESPONSE_BYTES + 1];
    let head = "HTTP/1.1 200 OK\r\n";
    let chunk = format!(
        "{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n",
        long.len()
    );
    let chunked = [chunk.as_bytes(), &long, b"\r\n0\r\n\r\n"].concat();
    let claimed = format!(
        "{head}content-length: 999999999999\r\n\r\n{}",
        "x".repeat(1 << 20)
    );
    let drip = format!("{head}content-length: 100\r\n\r\n{}", "x".repeat(100));
    let cases = [
        (
            Reaction::Bytes(b"SSH-2.0-OpenSSH\r\n".into()),
            RequestResult::Broken,
        ),
        (Reaction::Bytes(Vec::new()), RequestResult::Broken),
        (
            Reaction::Bytes(format!("{head}content-length: 9\r\n\r\nx").into()),
            RequestResult::Broken,
        ),
        (Reaction::Bytes(vec![b'x'; 1 << 20]), RequestResult::Broken),
        (Reaction::Respond(200, long), RequestResult::TooLarge),
        (Reaction::Bytes(chunked), RequestResult::TooLarge),
        (Reaction::Bytes(claimed.into()), RequestResult::TooLarge),
        (Reaction::Drip(drip.into()), RequestResult::Timeout),
        (Reaction::Silence, RequestResult::Timeout),
    ];
    run(async {
        let stub = Stub::start(Reaction::Silence).await;
        let (mut asker, mut handler) = Asker::new(&config(&stub.url));
        let test = async {
            for (reaction, expected) in cases {
                let name = format!("{reaction:?}");
                stub.react(reaction);
                let began = Instant::now();
                let (response, result) = call(&mut asker).await;
                let name = &name[..name.len().min(60)];
                assert_eq!(
                    (response, result),
                    (HookResponse::Failed, expected),
                    "{name}"
                );
                assert!(began.elapsed() < Duration::from_secs(5), "{name}");
            }
            // A redirect is not followed, and the hub decides about the status.
            for (status, expected) in [
                (302, RequestResult::StatusOther),
                (404, RequestResult::Status4xx),
                (500, RequestResult::Status5xx),
            ] {
                stub.react(Reaction::Respond(status, b"no".into()));
                let before = stub.requests().len();
                let (response, result) = call(&mut asker).await;
                let body = b"no".into();
                assert_eq!(response, HookResponse::Complete { status, body });
                assert_eq!((result, stub.requests().len()), (expected, before + 1));
            }
        };
        tokio::select! {
            () = test => {}
            () = handler.run() => unreachable!(),
        }
    });
}

#[test]
fn a_service_that_is_down_or_a_hook_that_is_off_is_answered_at_once() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    Asker::run(&config(&format!("http://{address}")), async |mut asker| {
        let (response, result) = call(&mut asker).await;
        assert_eq!(
            (response, result),
            (HookResponse::Failed, RequestResult::Connect)
        );
        let rpc = asker.ask_and_wait(question(HookKind::Rpc)).await;
        assert_eq!(rpc, ServiceAnswer::Hook(HookResponse::Failed));
        assert_eq!(
            results(&asker.fabric, HookKind::Rpc),
            [(RequestResult::Off, 1)]
        );
    });
}

#[test]
fn a_slow_hook_delays_only_those_who_ask_it() {
    run(async {
        let (slow, fast) = (
            Stub::start(Reaction::Silence).await,
            Stub::start(Reaction::ok("{}")).await,
        );
        let mut config = config(&slow.url);
        config.auth.hooks.max_concurrent = 2;
        config.auth.hooks.rpc.endpoint = Some(HttpUrl::parse(&fast.url).unwrap());
        let (mut asker, mut handler) = Asker::new(&config);
        let test = async {
            let connect = || question(HookKind::Connect);
            // The calls that wait have less time left, so that none of them gets a place.
            time::sleep(Duration::from_millis(100)).await;
            let now_us = asker.fabric.clock.now_us();
            for asked_at_us in [
                now_us,
                now_us,
                now_us - 100_000,
                now_us - 100_000,
                now_us - 100_000,
            ] {
                asker.ask_at(asked_at_us, 0, connect());
            }
            let began = Instant::now();
            asker.ask(1, question(HookKind::Rpc));
            asker.answer(1).await;
            assert!(
                began.elapsed() < Duration::from_millis(400),
                "{:?}",
                began.elapsed()
            );
            let meters = asker.fabric.service_meters.hook(HookKind::Connect);
            let gauges =
                || [&meters.waiting, &meters.under_way].map(|it| it.load(Ordering::Relaxed));
            assert_eq!(gauges(), [3, 2]);
            for _ in 0..5 {
                let (_, answer) = asker.answer(0).await;
                assert_eq!(answer, ServiceAnswer::Hook(HookResponse::Failed));
            }
            assert_eq!(gauges(), [0, 0]);
            let expected = [(RequestResult::Timeout, 2), (RequestResult::NotSent, 3)];
            assert_eq!(results(&asker.fabric, HookKind::Connect), expected);
            assert_eq!(slow.requests().len(), 2, "the others were not sent");
        };
        tokio::select! {
            () = test => {}
            () = handler.run() => unreachable!(),
        }
    });
}

#[test]
fn a_reload_applies_to_later_calls() {
    run(async {
        let (old, new) = (
            Stub::start(Reaction::ok("1")).await,
            Stub::start(Reaction::ok("2")).await,
        );
        let (mut asker, mut handler) = Asker::new(&config(&old.url));
        let test = async {
            call(&mut asker).await;
            asker.fabric.publish_config(Arc::new(config(&new.url)));
            call(&mut asker).await;
            assert_eq!((old.requests().len(), new.requests().len()), (1, 1));
            let mut off = config(&new.url);
            off.auth.hooks.connect.endpoint = None;
            asker.fabric.publish_config(Arc::new(off));
            let (_, result) = call(&mut asker).await;
            assert_eq!(result, RequestResult::Off);
        };
        tokio::select! {
            () = test => {}
            () = handler.run() => unreachable!(),
        }
    });
}

#[test]
fn the_end_of_the_service_thread_answers_every_question_once() {
    let (mut asker, handler) = run(async {
        let stub = Stub::start(Reaction::Silence).await;
        let mut config = config(&stub.url);
        config.auth.hooks.max_concurrent = 1;
        config.auth.hooks.timeout = Duration::from_secs(30);
        let (mut asker, mut handler) = Asker::new(&config);
        asker.ask(0, question(HookKind::Connect));
        asker.ask(0, question(HookKind::Connect));
        let taken = async {
            while stub.requests().is_empty() {
                time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = taken => {}
            () = handler.run() => unreachable!(),
        }
        (asker, handler)
    });
    // The runtime has ended, and one more question is in the queue.
    asker.ask(0, question(HookKind::Connect));
    handler.close();
    let answers = || asker.fabric.shards[0].service_answers.pop();
    for _ in 0..3 {
        let (_, answer) = answers().expect("each question has an answer");
        assert_eq!(answer, ServiceAnswer::Hook(HookResponse::Failed));
    }
    assert_eq!(answers(), None);
    let cancelled = results(&asker.fabric, HookKind::Connect);
    assert_eq!(cancelled, [(RequestResult::Cancelled, 2)]);
    let ticket = crate::hub::Ticket::numbered(9);
    let late = asker
        .fabric
        .ask_service(0, ticket, question(HookKind::Connect), 0);
    assert!(late.is_err(), "no thread would answer");
}

/// Serves one response over TLS on a thread. Returns its URL.
fn tls_server() -> String {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = Stream::new(&mut tls, &mut socket);
        let mut request = [0; 4096];
        let read = stream.read(&mut request).unwrap_or_default();
        if read > 0 {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        }
    });
    format!("https://localhost:{port}/")
}

#[test]
fn a_certificate_must_be_valid_for_a_root() {
    let get = |client: HttpClient, url: String| {
        run(async move {
            let request = Request::get(url).body(Full::default()).unwrap();
            let response = client.send(request, 100);
            time::timeout(Duration::from_secs(10), response)
                .await
                .unwrap()
        })
    };
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    roots.add(certificate).unwrap();
    let response = get(HttpClient::with_roots(roots.clone()), tls_server()).unwrap();
    assert_eq!((response.status, &response.body[..]), (200, &b"{}"[..]));
    let untrusted = get(HttpClient::new(), tls_server());
    let error = untrusted.expect_err("the certificate has no root");
    assert!(
        matches!(&error, HttpError::Connect(text) if text.contains("UnknownIssuer")),
        "{error}"
    );
    let other_name = tls_server().replace("localhost", "127.0.0.2");
    let error = get(HttpClient::with_roots(roots), other_name).expect_err("another name");
    assert!(matches!(&error, HttpError::Connect(_)), "{error}");
}
