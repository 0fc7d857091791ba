//! One request to a service, to find out whether it can be reached. The main thread of the command
//! line, which waits for it.

use std::io;
use std::time::Duration;

use http_body_util::Full;
use hyper::{Method, Request};
use tokio::runtime::Builder;
use tokio::time;

use crate::access::{KeySet, SkippedKey};
use crate::config::HttpUrl;
use crate::limits::HOOK_RESPONSE_BYTES;

use super::http_client::{HttpClient, HttpError};
use super::key_set_fetch::{self, FetchError};

/// Why a service cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ProbeError(#[from] Fault);

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("no runtime for the request: {0}")]
    Runtime(#[from] io::Error),
    #[error("no complete response within {0:?}")]
    Timeout(Duration),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// Fetches a key set as the service thread does. Returns the keys that cannot be used, too.
pub fn fetch_key_set(url: &HttpUrl) -> Result<(KeySet, Vec<SkippedKey>), ProbeError> {
    let fetched = wait_for(async {
        let fetched = key_set_fetch::fetch(&HttpClient::new(), url).await;
        fetched.map_err(Fault::from)
    })?;
    Ok((fetched.key_set, fetched.skipped))
}

/// Sends a request with the method OPTIONS, which changes nothing, and returns the status of the
/// response. Every status means that the service can be reached.
pub fn reach_hook(url: &HttpUrl, timeout: Duration) -> Result<u16, ProbeError> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = Method::OPTIONS;
    *request.uri_mut() = url.uri().clone();
    let response = wait_for(async {
        let client = HttpClient::new();
        let response = time::timeout(timeout, client.send(request, HOOK_RESPONSE_BYTES));
        Ok(response.await.map_err(|_| Fault::Timeout(timeout))??)
    })?;
    Ok(response.status)
}

fn wait_for<T>(request: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(request);
    runtime.shutdown_background();
    result
}
