//! The paths of the server API: `POST /api/METHOD`, `POST /api/batch`, and `POST /api` with
//! commands in the older form, which some SDKs send. Control thread.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::value::RawValue;

use crate::config::AdminConfig;
use crate::fabric::Fabric;
use crate::limits::API_REQUEST_ITEMS;
use crate::observe::excerpt;
use crate::protocol::codes::ClientError;

use super::answers::{Answer, ApiError, BatchAnswer, BatchReply, Outcome};
use super::executor::{Allowance, Executor};
use super::requests::{Batch, Method, OlderCommand, object};

/// Returns the router of the server API.
pub(in crate::admin) fn routes(config: &AdminConfig, fabric: Arc<Fabric>) -> Router {
    let executor = Executor::new(config, fabric);
    Router::new()
        .route("/api", post(older))
        .route("/api/batch", post(batch))
        .route("/api/{method}", post(method))
        // The server has read the body and checked its length.
        .layer(DefaultBodyLimit::disable())
        .with_state(Arc::new(executor))
}

/// Answers `POST /api/METHOD`.
async fn method(
    State(executor): State<Arc<Executor>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let Some(method) = Method::from_name(&name) else {
        let name = excerpt(name.as_bytes());
        let text = format!("the server API has no method {name}\n");
        return (StatusCode::NOT_FOUND, text).into_response();
    };
    let mut allowance = Allowance::default();
    let result = executor.run(method, &body, &mut allowance).await;
    Json(Answer::from(result)).into_response()
}

/// Answers `POST /api/batch`. The commands are carried out one after another.
async fn batch(State(executor): State<Arc<Executor>>, body: Bytes) -> Response {
    match run_batch(&executor, &body).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => Json(Answer::<Outcome>::Error(error)).into_response(),
    }
}

async fn run_batch(executor: &Executor, body: &[u8]) -> Result<BatchAnswer, ApiError> {
    let batch: Batch<'_> = object(body)?;
    let mut allowance = Allowance::default();
    allowance.take_items(batch.commands.len())?;
    let mut replies = Vec::with_capacity(batch.commands.len());
    for command in batch.commands {
        let mut name = String::new();
        let result = run_command(executor, command, &mut allowance, &mut name).await;
        replies.push(BatchReply {
            method: name,
            result,
        });
    }
    Ok(BatchAnswer { replies })
}

/// Carries out a command of a batch, and sets `name` to that of its method.
async fn run_command(
    executor: &Executor,
    command: &RawValue,
    allowance: &mut Allowance,
    name: &mut String,
) -> Result<Outcome, ApiError> {
    let members: BTreeMap<String, &RawValue> = object(command.get().as_bytes())?;
    let mut members = members.into_iter();
    let (Some((method, parameters)), None) = (members.next(), members.next()) else {
        let text = "a command has one member: the parameters, under the name of the method";
        return Err(ApiError::bad_request(text));
    };
    *name = method;
    let parameters = parameters.get().as_bytes();
    executor.run(known(name)?, parameters, allowance).await
}

/// Answers `POST /api`: commands `{"method":...,"params":...}` one after another, and the answers
/// on a line each.
async fn older(State(executor): State<Arc<Executor>>, body: Bytes) -> Response {
    let answers = match run_older(&executor, &body).await {
        Ok(answers) => answers,
        Err(error) => vec![Answer::Error(error)],
    };
    let lines: Result<Vec<_>, _> = answers.iter().map(serde_json::to_string).collect();
    match lines {
        Ok(lines) => (
            [(header::CONTENT_TYPE, "application/json")],
            lines.join("\n"),
        )
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn run_older(executor: &Executor, body: &[u8]) -> Result<Vec<Answer<Outcome>>, ApiError> {
    let values = serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>();
    // One command more than permitted is enough for the refusal.
    let commands: Result<Vec<_>, _> = values.take(API_REQUEST_ITEMS + 1).collect();
    let commands = commands.map_err(|error| ApiError::bad_request(error.to_string()))?;
    if commands.is_empty() {
        let text = "send a command: {\"method\":\"publish\",\"params\":{...}}";
        return Err(ApiError::bad_request(text));
    }
    let mut allowance = Allowance::default();
    allowance.take_items(commands.len())?;
    let mut answers = Vec::with_capacity(commands.len());
    for command in commands {
        let result = run_older_command(executor, command, &mut allowance).await;
        answers.push(result.into());
    }
    Ok(answers)
}

async fn run_older_command(
    executor: &Executor,
    command: &RawValue,
    allowance: &mut Allowance,
) -> Result<Outcome, ApiError> {
    let command: OlderCommand<'_> = object(command.get().as_bytes())?;
    let parameters = command.params.map_or("{}", RawValue::get).as_bytes();
    executor
        .run(known(&command.method)?, parameters, allowance)
        .await
}

/// Returns the method of a command.
fn known(name: &str) -> Result<Method, ApiError> {
    Method::from_name(name).ok_or_else(|| {
        let text = format!("there is no method {}", excerpt(name.as_bytes()));
        ApiError::new(ClientError::MethodNotFound, text)
    })
}
