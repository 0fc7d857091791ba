//! Fetches one key set over HTTP. Service thread, and the main thread of the command line.

use http_body_util::Full;
use hyper::Request;
use hyper::header::{ACCEPT, HeaderValue};
use tokio::time;

use crate::access::{KeySet, KeySetFault, SkippedKey};
use crate::config::HttpUrl;
use crate::limits::{KEY_SET_BYTES, KEY_SET_TIMEOUT, KEY_SET_TRIES};
use crate::observe::RequestResult;

use super::http_client::{HttpClient, HttpError};

/// A key set that was fetched.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) key_set: KeySet,
    /// Keys that cannot be used.
    pub(super) skipped: Vec<SkippedKey>,
}

/// Why a key set cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no complete response within {KEY_SET_TIMEOUT:?}")]
    Timeout,
    #[error("the response has the status {0}")]
    Status(u16),
    #[error("the response is no key set: {0}")]
    Content(#[from] KeySetFault),
    #[error(transparent)]
    Http(#[from] HttpError),
}

impl FetchError {
    pub(super) fn result(&self) -> RequestResult {
        match self {
            Self::Timeout => RequestResult::Timeout,
            Self::Status(status) => RequestResult::of_status(*status),
            Self::Content(_) => RequestResult::Invalid,
            Self::Http(error) => error.result(),
        }
    }
}

/// Returns the result of a fetch as a metric label.
pub(super) fn result(fetched: &Result<Fetched, FetchError>) -> RequestResult {
    fetched
        .as_ref()
        .err()
        .map_or(RequestResult::Ok, FetchError::result)
}

/// Fetches a key set. A fetch that fails is tried again once.
pub(super) async fn fetch(client: &HttpClient, url: &HttpUrl) -> Result<Fetched, FetchError> {
    let mut fetched = fetch_once(client, url).await;
    for _ in 1..KEY_SET_TRIES {
        if fetched.is_err() {
            fetched = fetch_once(client, url).await;
        }
    }
    fetched
}

async fn fetch_once(client: &HttpClient, url: &HttpUrl) -> Result<Fetched, FetchError> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = url.uri().clone();
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(ACCEPT, json);
    let response = client.send(request, KEY_SET_BYTES);
    let response = time::timeout(KEY_SET_TIMEOUT, response).await;
    let response = response.map_err(|_| FetchError::Timeout)??;
    if response.status != 200 {
        return Err(FetchError::Status(response.status));
    }
    let (key_set, skipped) = KeySet::parse(&response.body)?;
    Ok(Fetched { key_set, skipped })
}
