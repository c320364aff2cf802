//! Errors as a page.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::ROOT;
use super::frame::{Refresh, document, link};
use crate::access::response_headers::restrict_browsers;
use crate::problem::{Problem, ProblemKind, ProblemText};
use crate::state::Shared;

/// A layer that presents the problems of the page as HTML. A caller who is not signed in is sent to the sign-in.
pub(crate) async fn present(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_page = path == ROOT || path.strip_prefix(ROOT).is_some_and(|rest| rest.starts_with('/'));
    if !is_page {
        return next.run(request).await;
    }
    let returns_to = (request.method() == Method::GET)
        .then(|| request.uri().path_and_query().map(ToString::to_string).unwrap_or_default());
    let is_partial = request.headers().contains_key("hx-request");
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    restrict_browsers(presented(&shared, &problem, response, returns_to, is_partial)).await
}

fn presented(
    shared: &Shared,
    problem: &Problem,
    response: Response,
    returns_to: Option<String>,
    is_partial: bool,
) -> Response {
    if problem.kind() == ProblemKind::Unauthenticated {
        if is_partial {
            // htmx loads the screen again, which leads to the sign-in.
            let reload = (HeaderName::from_static("hx-refresh"), HeaderValue::from_static("true"));
            return (StatusCode::UNAUTHORIZED, [reload]).into_response();
        }
        let to = returns_to.unwrap_or_else(|| ROOT.to_owned());
        let to = utf8_percent_encode(&to, NON_ALPHANUMERIC);
        return Redirect::to(&link(shared, format!("/sign-in?to={to}"))).into_response();
    }
    let content = message(problem);
    let page = document(shared, None, "Not done", Refresh::Never, &html! { div.caller {} }, &content);
    let (mut parts, _) = response.into_parts();
    let (page, body) = page.into_parts();
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    parts.headers.extend(page.headers);
    Response::from_parts(parts, body)
}

/// Returns the text of a problem: what happened, and what can be done.
pub(super) fn message(problem: &Problem) -> Markup {
    let ProblemText { detail, help, others } = problem.text();
    html! {
        h1 { (title(problem.kind())) }
        div.notice.problem role="alert" {
            p { (sentence(detail)) }
            @if let Some(help) = help { p.help { (sentence(help)) } }
            @if !others.is_empty() {
                ul { @for other in others { li { (other) } } }
            }
        }
        p { "Go back with your browser, or choose a screen above." }
    }
}

fn title(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::NotFound => "This does not exist",
        ProblemKind::Forbidden => "Your role does not permit this",
        ProblemKind::TooManyRequests => "Too much at the same time",
        kind if kind.status().is_server_error() => "This failed",
        _ => "This was refused",
    }
}

/// Returns a text of an error as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?', ':', ';']) { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}
