//! The routes that start and end a session.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};
use zeroize::Zeroizing;

use super::credentials::form_pairs;
use super::gate::Access;
use super::role::Role;
use crate::problem::{Problem, ProblemDocument, ProblemKind};

/// The body of a request that starts a session.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionRequest {
    /// A token.
    token: String,
}

/// The caller of a session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionResponse {
    /// The name of the token.
    name: String,
    /// The role of the token.
    role: Role,
}

/// Returns the routes `POST /session` and `DELETE /session`. They need no caller.
pub(super) fn routes(access: &Arc<Access>) -> Router {
    Router::new().route("/session", post(start).delete(end)).with_state(Arc::clone(access))
}

/// Returns the description of the routes.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    SessionApi::openapi()
}

/// The routes of sessions, which are not part of the documented router because they need no caller.
#[derive(OpenApi)]
#[openapi(paths(start, end))]
struct SessionApi;

/// Starts a session. The body is JSON or a form with the field `token`; the answer sets the session cookie.
#[utoipa::path(
    post, path = "/session", tag = "session", operation_id = "startSession", security(()),
    request_body(
        content(
            (SessionRequest = "application/json"),
            (SessionRequest = "application/x-www-form-urlencoded"),
        ),
        description = "The token of the caller",
    ),
    responses(
        (status = 200, description = "The session has started; the answer sets its cookie", body = SessionResponse),
        (status = 401, description = "The token is not valid", body = ProblemDocument),
    )
)]
async fn start(State(access): State<Arc<Access>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = access.body_limits().of_small_body().receive(&parts, body).await?;
    let token = token(&parts.headers, &body)?;
    let signed_in = access.sign_in(&parts, &token).await?;
    let answer =
        SessionResponse { name: signed_in.principal.name().to_owned(), role: signed_in.principal.role() };
    Ok((StatusCode::OK, [(SET_COOKIE, signed_in.cookie)], Json(answer)).into_response())
}

/// Ends the session of the caller, if there is one, and removes the cookie.
#[utoipa::path(
    delete, path = "/session", tag = "session", operation_id = "endSession", security(()),
    responses((status = 204, description = "There is no session, and the cookie is removed"))
)]
async fn end(State(access): State<Arc<Access>>, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let cookie = access.end_session(&parts).await?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}

/// Returns the token of the body. Problems do not contain it.
fn token(headers: &HeaderMap, body: &Bytes) -> Result<Zeroizing<String>, Problem> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let malformed = |detail: &str| {
        Problem::new(ProblemKind::Malformed, detail.to_owned())
            .with_help("the only field is `token`, and it is text")
    };
    match essence.as_str() {
        "application/json" => {
            let request: SessionRequest =
                serde_json::from_slice(body).map_err(|_| malformed("the body is not the expected JSON"))?;
            Ok(Zeroizing::new(request.token))
        }
        "application/x-www-form-urlencoded" => {
            let text = std::str::from_utf8(body).map_err(|_| malformed("the form is not UTF-8 text"))?;
            let mut pairs = form_pairs(text);
            match (pairs.next(), pairs.next()) {
                (Some((name, value)), None) if name == "token" => Ok(Zeroizing::new(value)),
                _ => Err(malformed("the form is not the expected one")),
            }
        }
        _ => Err(Problem::new(ProblemKind::UnsupportedMediaType, "the body is neither JSON nor a form")),
    }
}
