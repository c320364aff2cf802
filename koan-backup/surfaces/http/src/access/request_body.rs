//! Limits of the body of a request.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::problem::{Problem, ProblemKind};

/// The maximum size of a body that is sent without a caller.
const MAX_SMALL_BODY_BYTES: usize = 16 * 1024;

/// Limits of the body of a request. A body is received completely before a handler begins, because no route takes a
/// large one; a slow client can neither hold a handler nor memory for longer than the time limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    /// The maximum size.
    pub(crate) max_bytes: usize,
    /// The time within which the whole body must arrive.
    pub(crate) time_limit: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { max_bytes: 1024 * 1024, time_limit: Duration::from_secs(30) }
    }
}

impl BodyLimits {
    /// Returns limits for a route without a caller, which takes at most a token.
    pub(crate) fn of_small_body(self) -> Self {
        Self { max_bytes: self.max_bytes.min(MAX_SMALL_BODY_BYTES), ..self }
    }

    /// Receives a body.
    ///
    /// # Errors
    /// The body is too large, arrives too slowly, or the connection ends.
    pub(crate) async fn receive(self, parts: &Parts, body: Body) -> Result<Bytes, Problem> {
        let declared =
            parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared
            .is_some_and(|length| usize::try_from(length).map_or(true, |length| length > self.max_bytes))
        {
            return Err(self.too_large());
        }
        let received = tokio::time::timeout(self.time_limit, Limited::new(body, self.max_bytes).collect());
        match received.await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(self.too_large()),
            Ok(Err(_)) => Err(Problem::new(ProblemKind::Malformed, "the connection ended within the body")),
            Err(_) => {
                let detail =
                    format!("the body was not received within {} seconds", self.time_limit.as_secs());
                Err(Problem::new(ProblemKind::SlowRequest, detail))
            }
        }
    }

    fn too_large(self) -> Problem {
        let detail = format!("the body is larger than {} bytes", self.max_bytes);
        Problem::new(ProblemKind::TooLarge, detail)
    }
}
