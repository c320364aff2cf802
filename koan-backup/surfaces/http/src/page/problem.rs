//! Errors as a page.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::address::{ROOT, is_screen};
use super::frame::{Refresh, View, document, link};
use super::wording::sentence;
use crate::access::Principal;
use crate::access::credentials::refuse_query_token;
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
    // A query that contains a token is not repeated anywhere.
    let is_leaking = refuse_query_token(request.uri().query()).is_err();
    let asked = Asked {
        returns_to: (request.method() == Method::GET && !is_leaking)
            .then(|| request.uri().path_and_query().map(ToString::to_string).unwrap_or_default()),
        is_partial: request.headers().contains_key("hx-request"),
        can_sign_in: shared.access.has_tokens() && !is_leaking,
    };
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    restrict_browsers(presented(&shared, &problem, response, asked)).await
}

/// What a request asked for.
struct Asked {
    /// The screen to which the sign-in returns.
    returns_to: Option<String>,
    /// Whether htmx asked for a part of a screen.
    is_partial: bool,
    /// Whether a sign-in can help.
    can_sign_in: bool,
}

fn presented(shared: &Shared, problem: &Problem, response: Response, asked: Asked) -> Response {
    if problem.kind() == ProblemKind::Unauthenticated && asked.can_sign_in {
        if asked.is_partial {
            // htmx loads the screen again, which leads to the sign-in.
            let reload = (HeaderName::from_static("hx-refresh"), HeaderValue::from_static("true"));
            return (StatusCode::UNAUTHORIZED, [reload]).into_response();
        }
        let to = asked.returns_to.filter(|to| is_screen(to)).unwrap_or_else(|| ROOT.to_owned());
        let to = utf8_percent_encode(&to, NON_ALPHANUMERIC);
        return Redirect::to(&link(shared, format!("/sign-in?to={to}"))).into_response();
    }
    let content = message(problem);
    let (mut parts, _) = response.into_parts();
    let caller = match parts.extensions.get::<Principal>() {
        Some(caller) => View::new(shared, caller).caller(),
        None => html! {},
    };
    let page = document(shared, None, "Not done", Refresh::Never, &caller, &content);
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
        ProblemKind::Forbidden => "This is not permitted",
        ProblemKind::TooManyRequests => "Too much at the same time",
        kind if kind.status().is_server_error() => "This failed",
        _ => "This was refused",
    }
}
