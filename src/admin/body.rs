//! Reads the bodies of requests, with bounds on their time and on the memory of all of them
//! together. Control thread.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{self, Instant};

use crate::limits::{
    ADMIN_BODIES_BYTES, ADMIN_BODY_BYTES, ADMIN_BODY_TIMEOUT, ADMIN_DISCARD_BYTES,
    ADMIN_DISCARD_TIMEOUT, ADMIN_SMALL_BODY_BYTES,
};

/// The memory for the bodies of all requests together. Clones share it.
#[derive(Clone)]
pub(super) struct BodyMemory(Arc<Semaphore>);

/// A body, and its part of the memory for bodies.
pub(super) struct HeldBody {
    pub(super) bytes: Vec<u8>,
    /// Given back when the request is answered. Small bodies have none.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("a body has at most {ADMIN_BODY_BYTES} bytes; publish larger payloads over ZeroMQ")]
    TooLarge,
    #[error("the body ends too early")]
    Incomplete,
    #[error("the body did not arrive within {} s", ADMIN_BODY_TIMEOUT.as_secs())]
    Slow,
    #[error("too many large bodies are being received; send the request again later")]
    NoRoom,
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete => StatusCode::BAD_REQUEST,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, format!("{self}\n")).into_response()
    }
}

impl Default for BodyMemory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ADMIN_BODIES_BYTES)))
    }
}

impl BodyMemory {
    /// Reads a body. A refused body is read on and discarded, so that the client gets the answer.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        mut body: Body,
    ) -> Result<HeldBody, BodyError> {
        let deadline = Instant::now() + ADMIN_BODY_TIMEOUT;
        let read = self.read_until(deadline, &mut body).await;
        if let Err(BodyError::TooLarge | BodyError::NoRoom) = read {
            discard(headers, body).await;
        }
        read
    }

    /// Reads a body. One that grows beyond [`ADMIN_SMALL_BODY_BYTES`] first waits for all of the
    /// memory that it may need, so that two bodies never wait for each other; what the client
    /// sends meanwhile stays in the kernel.
    async fn read_until(&self, deadline: Instant, body: &mut Body) -> Result<HeldBody, BodyError> {
        // Content-Length; without it, the body may have any length.
        let size = body.size_hint();
        let largest = size.exact().unwrap_or(ADMIN_BODY_BYTES as u64);
        if largest > ADMIN_BODY_BYTES as u64 {
            return Err(BodyError::TooLarge);
        }
        let largest = largest as usize;
        let mut bytes = Vec::with_capacity(largest.min(ADMIN_SMALL_BODY_BYTES));
        let mut room = None;
        loop {
            let frame = time::timeout_at(deadline, body.frame()).await;
            let Some(frame) = frame.map_err(|_| BodyError::Slow)? else {
                return Ok(HeldBody { bytes, room });
            };
            let frame = frame.map_err(|_| BodyError::Incomplete)?;
            let Ok(data) = frame.into_data() else {
                continue; // Trailers.
            };
            let length = bytes.len() + data.len();
            if length > ADMIN_BODY_BYTES {
                return Err(BodyError::TooLarge);
            }
            if length > ADMIN_SMALL_BODY_BYTES && room.is_none() {
                room = Some(self.reserve(largest, deadline).await?);
                bytes.reserve_exact(largest - bytes.len());
            }
            bytes.extend_from_slice(&data);
        }
    }

    async fn reserve(
        &self,
        size: usize,
        deadline: Instant,
    ) -> Result<OwnedSemaphorePermit, BodyError> {
        let size = u32::try_from(size).map_err(|_| BodyError::TooLarge)?;
        let room = Arc::clone(&self.0).acquire_many_owned(size);
        match time::timeout_at(deadline, room).await {
            Ok(Ok(room)) => Ok(room),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(BodyError::NoRoom),
        }
    }
}

/// Reads the rest of a body and discards it, within bounds on bytes and time: a response that is
/// sent while bytes are unread can be lost when the socket is reset. Does nothing if the client
/// waits for a `100 Continue` before it sends the body.
pub(super) async fn discard(headers: &HeaderMap, mut body: Body) {
    if headers.contains_key(header::EXPECT) {
        return;
    }
    let discard = async {
        let mut length = 0;
        while length <= ADMIN_DISCARD_BYTES {
            let Some(Ok(frame)) = body.frame().await else {
                return;
            };
            length += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // A body that takes longer is given up. The answer is sent in any case.
    let _ = time::timeout(ADMIN_DISCARD_TIMEOUT, discard).await;
}
