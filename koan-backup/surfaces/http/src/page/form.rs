//! The forms of the page.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::address;
use super::frame::link;
use crate::access::Principal;
use crate::access::audit::object::StartedOperation;
use crate::hex::hex;
use crate::operations::OperationId;
use crate::orders::{self, Order};
use crate::problem::{Problem, ProblemKind};
use crate::state::Shared;

/// The fields of a form. A field that is not known is refused.
#[derive(Debug)]
pub(super) struct Form<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let media_type = request.headers().get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Problem::new(ProblemKind::UnsupportedMediaType, "the body is not a form"));
        }
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|_| Problem::new(ProblemKind::Malformed, "the form could not be read completely"))?;
        // An explanation of serde would repeat what a person has typed.
        serde_html_form::from_bytes(&body).map(Self).map_err(|_| {
            Problem::new(ProblemKind::Invalid, "the form has a field that is missing, unknown or not valid")
        })
    }
}

/// A checked box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Chosen {
    Yes,
}

/// Returns the hidden field by which the server distinguishes two clicks on one button from two visits of a screen.
pub(super) fn visit_field() -> Markup {
    html! { input type="hidden" name="visit" value=(uuid::Uuid::now_v7().simple()); }
}

/// Returns the text of a field, unless it is blank.
pub(super) fn filled(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Starts the operation of a form, once for each visit of its screen and each content of the form. A second click returns
/// the operation of the first one.
pub(super) async fn submit(
    shared: &Arc<Shared>,
    caller: &Principal,
    visit: &str,
    order: impl Order,
) -> Result<OperationId, Problem> {
    let content = serde_json::to_vec(&order).map_err(|_| {
        Problem::new(ProblemKind::Internal, "the form could not be compared with earlier forms")
    })?;
    let hash = hex(Sha256::digest(content));
    if visit.is_empty() || visit.len() > 64 || !visit.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Problem::new(ProblemKind::Invalid, "the form is not that of this page")
            .with_help("load the screen again"));
    }
    let submitted = orders::submit(shared, caller, Some(&format!("page {visit} {hash}")), order).await?;
    StartedOperation::record(submitted.operation.id.to_string());
    Ok(submitted.operation.id)
}

/// Sends the browser to a screen after a change.
pub(super) fn go_to(shared: &Shared, route: impl AsRef<str>) -> Response {
    Redirect::to(&link(shared, route)).into_response()
}

/// Starts the operation of a form as [`submit`] does, and sends the browser to its screen.
pub(super) async fn start(
    shared: &Arc<Shared>,
    caller: &Principal,
    visit: &str,
    order: impl Order,
) -> Result<Response, Problem> {
    let id = submit(shared, caller, visit, order).await?;
    Ok(go_to(shared, address::operation(id)))
}
