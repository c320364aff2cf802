//! JSON bodies.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use super::fields;
use crate::problem::{Problem, ProblemKind};

/// A JSON body. An empty body and `null` are an empty object, because most bodies have only optional fields.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE {
                return Problem::new(
                    ProblemKind::TooLarge,
                    "the body is larger than the limit of the server",
                );
            }
            Problem::new(ProblemKind::Malformed, "the body could not be read completely")
        })?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return parse(b"{}").map(Self);
        }
        if !is_json {
            return Err(Problem::new(
                ProblemKind::UnsupportedMediaType,
                "the body must have the header `Content-Type: application/json`",
            ));
        }
        if bytes.trim_ascii() == b"null" {
            return parse(b"{}").map(Self);
        }
        parse(&bytes).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

/// Parses a body. The kinds of errors differ: text that is not JSON is malformed, and JSON with an unknown field or a
/// value of another type is not valid.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            Problem::new(ProblemKind::Invalid, fields::explain("the body", &error.to_string()))
        }
        _ => Problem::new(
            ProblemKind::Malformed,
            format!("the body is not JSON: error at line {}, column {}", error.line(), error.column()),
        ),
    })
}
