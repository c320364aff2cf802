//! Whether a request waits for the end of its operation.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;

use super::QueryParameters;
use crate::problem::Problem;

/// Whether the response contains the result of the operation: with the header `Prefer: wait` of
/// [RFC 7240](https://www.rfc-editor.org/rfc/rfc7240), or with `?wait=true`. A number of seconds in the header is ignored:
/// the client ends the wait by closing the connection, which does not affect the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The response contains the operation that was started.
    No,
    /// The response contains the result.
    UntilFinished,
}

/// The query parameters of a request that starts an operation.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WaitParameters {
    /// Whether the response contains the result of the operation. The header `Prefer: wait` has the same effect.
    wait: Option<bool>,
}

impl Wait {
    /// Returns what the headers and the query parameter request.
    pub(crate) fn requested(headers: &HeaderMap, wait: Option<bool>) -> Self {
        let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        let prefers = preferences.flat_map(|value| value.split(',')).any(|preference| {
            let name = preference.split(['=', ';']).next().unwrap_or_default();
            name.trim().eq_ignore_ascii_case("wait")
        });
        if wait.unwrap_or(prefers) { Self::UntilFinished } else { Self::No }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Wait {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let QueryParameters(parameters) =
            QueryParameters::<WaitParameters>::from_request_parts(parts, state).await?;
        Ok(Self::requested(&parts.headers, parameters.wait))
    }
}
