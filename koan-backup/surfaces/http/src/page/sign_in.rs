//! The sign-in, which turns a token into a session.

use axum::extract::{FromRequest as _, Request, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::html;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::address::{ROOT, is_screen};
use super::form::Form;
use super::frame::{Refresh, document, link};
use super::wording::sentence;
use crate::problem::{Problem, ProblemKind};
use crate::requests::QueryParameters;
use crate::state::{AppState, Shared};

/// Where the browser goes after the sign-in.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Destination {
    to: Option<String>,
}

/// The form of the sign-in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    token: Token,
    to: Option<String>,
}

/// A token, which is overwritten when it is dropped.
struct Token(Zeroizing<String>);

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|token| Self(Zeroizing::new(token)))
    }
}

/// Returns the screen of the sign-in.
pub(super) async fn show(
    State(shared): AppState,
    QueryParameters(destination): QueryParameters<Destination>,
) -> Response {
    screen(&shared, destination.to.as_deref(), None)
}

/// Starts a session for the caller with a token, and returns to the screen that needed it.
pub(super) async fn start(State(shared): AppState, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let Form(form) = Form::<Credentials>::from_request(Request::from_parts(parts.clone(), body), &()).await?;
    let signed_in = match shared.access.sign_in(&parts, &form.token.0).await {
        Ok(signed_in) => signed_in,
        Err(problem) if is_mistake(problem.kind()) => {
            return Ok(screen(&shared, form.to.as_deref(), Some(&problem)));
        }
        Err(problem) => return Err(problem),
    };
    let to = shared.links.to(form.to.as_deref().filter(|to| is_screen(to)).unwrap_or(ROOT));
    Ok((AppendCookie(signed_in.cookie), Redirect::to(&to)).into_response())
}

/// Ends the session of the caller.
pub(super) async fn end(State(shared): AppState, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let cookie = shared.access.end_session(&parts).await?;
    Ok((AppendCookie(cookie), Redirect::to(&link(&shared, "/sign-in"))).into_response())
}

/// A header `Set-Cookie`.
struct AppendCookie(axum::http::HeaderValue);

impl axum::response::IntoResponseParts for AppendCookie {
    type Error = std::convert::Infallible;

    fn into_response_parts(
        self,
        mut parts: axum::response::ResponseParts,
    ) -> Result<axum::response::ResponseParts, Self::Error> {
        parts.headers_mut().append(SET_COOKIE, self.0);
        Ok(parts)
    }
}

fn is_mistake(kind: ProblemKind) -> bool {
    matches!(kind, ProblemKind::Unauthenticated | ProblemKind::TooManyRequests)
}

fn screen(shared: &Shared, to: Option<&str>, problem: Option<&Problem>) -> Response {
    let content = html! {
        h1 { "Sign in" }
        @if let Some(problem) = problem {
            div.notice.problem role="alert" {
                p { (sentence(problem.text().detail)) }
                @if let Some(help) = problem.text().help.filter(|_| problem.kind() == ProblemKind::TooManyRequests) {
                    p { (sentence(help)) }
                }
            }
        }
        p { "Enter a token. The browser keeps a session and not the token; it ends after 30 minutes without use." }
        form.narrow method="post" action=(link(shared, "/sign-in")) {
            @if let Some(to) = to.filter(|to| is_screen(to)) { input type="hidden" name="to" value=(to); }
            label for="token" { "Token" }
            input #token type="password" name="token" required autocomplete="current-password" autofocus;
            button.primary type="submit" { "Sign in" }
        }
        p.muted { "An administrator creates tokens. Each has a role: viewer, operator or admin." }
    };
    let mut response = document(shared, None, "Sign in", Refresh::Never, &html! {}, &content);
    *response.status_mut() = problem.map_or(StatusCode::OK, |problem| problem.kind().status());
    response
}
