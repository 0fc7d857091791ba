//! Requests over HTTP/1.1, with connections that are kept for the next request. Service thread.
//!
//! There are no redirects, no proxies from the environment and no compression. A certificate must
//! be valid for a root of the system, or for those of the file that `SSL_CERT_FILE` names.

use std::error::Error;
use std::sync::{Arc, OnceLock};

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::{Request, header};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use crate::limits::{HTTP_IDLE_CONNECTIONS, HTTP_IDLE_TIMEOUT};
use crate::observe::RequestResult;

/// Sends requests. All clones of a client share its connections.
#[derive(Clone, Default)]
pub(super) struct HttpClient(Arc<OnceLock<HttpsClient>>);

type HttpsClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A response that was received completely.
#[derive(Debug)]
pub(super) struct HttpResponse {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// Why there is no complete response. The texts contain nothing of the request.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("the connection broke, or the response is not HTTP/1.1: {0}")]
    Broken(String),
    #[error("the response is longer than {0} bytes")]
    TooLarge(usize),
}

impl HttpError {
    pub(super) fn result(&self) -> RequestResult {
        match self {
            Self::Connect(_) => RequestResult::Connect,
            Self::Broken(_) => RequestResult::Broken,
            Self::TooLarge(_) => RequestResult::TooLarge,
        }
    }
}

impl HttpClient {
    /// Creates a client with the roots of the system. The first request reads them, because most
    /// servers send none, and they take some milliseconds.
    pub(super) fn new() -> Self {
        Self::default()
    }

    #[cfg(test)]
    pub(super) fn with_roots(roots: RootCertStore) -> Self {
        Self(Arc::new(client(roots).into()))
    }

    /// Sends a request and receives the whole response, whose body may have `body_bytes`. It has no
    /// timeout. Dropping the future closes the connection.
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        body_bytes: usize,
    ) -> Result<HttpResponse, HttpError> {
        let agent =
            header::HeaderValue::from_static(concat!("fanfare/", env!("CARGO_PKG_VERSION")));
        request
            .headers_mut()
            .entry(header::USER_AGENT)
            .or_insert(agent);
        let client = self.0.get_or_init(|| client(system_roots()));
        let response = client.request(request).await.map_err(|error| {
            if error.is_connect() {
                HttpError::Connect(causes(&error))
            } else {
                HttpError::Broken(causes(&error))
            }
        })?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), body_bytes).collect();
        let body = body.await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                HttpError::TooLarge(body_bytes)
            } else {
                HttpError::Broken(causes(error.as_ref()))
            }
        })?;
        Ok(HttpResponse {
            status,
            body: body.to_bytes().into(),
        })
    }
}

/// Returns a client that trusts these roots. Without roots, it can send requests without TLS only.
fn client(roots: RootCertStore) -> HttpsClient {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has cipher suites for TLS 1.2 and TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut connector = HttpConnector::new();
    // The scheme is checked when the configuration is read.
    connector.enforce_http(false);
    connector.set_nodelay(true);
    let connector = HttpsConnector::from((connector, tls));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(HTTP_IDLE_TIMEOUT)
        .pool_max_idle_per_host(HTTP_IDLE_CONNECTIONS)
        .build(connector)
}

/// Returns the roots of the system that can be read.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Returns the text of the innermost error, which names the cause.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
