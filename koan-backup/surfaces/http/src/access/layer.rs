//! The layers through which every request passes.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};

use super::audit::entry::AuditObject;
use super::audit::request::AuditedRequest;
use super::credentials::refuse_query_token;
use super::cross_site::{check_change, same_site_get};
use super::extractor::RoleCheck;
use super::gate::{Access, Mount};
use super::principal::{Principal, PrincipalOrigin};
use super::response_headers::restrict_browsers;
use super::sign_in;
use crate::problem::{Problem, ProblemKind};

/// Puts the routes behind the checks of access.
///
/// Each request to `protected`, also to a path or method that does not exist there, needs a caller, and each of its
/// handlers needs an extractor of a [role](super::extractor). The routes of `public` need no caller; the routes of
/// [sessions](sign_in) are added to them. The routes themselves carry the check, so that no spelling of a path avoids
/// it.
pub(crate) fn protect(access: &Arc<Access>, protected: Router, public: Router) -> Router {
    let protected = protected.method_not_allowed_fallback(method_not_allowed);
    let protected = match access.mount() {
        Mount::Nested => protected.fallback(not_found),
        Mount::Root => protected,
    };
    // The size of a body is limited when it is received, by the option of the server and not by that of axum.
    let protected = protected
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(Arc::clone(access), authenticate));
    let public = public
        .merge(sign_in::routes(access))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(access), check_public));
    protected
        .merge(public)
        .layer(from_fn_with_state(Arc::clone(access), answer_allowed_origins))
        .layer(map_response(restrict_browsers))
}

/// Determines the caller, and inserts it into the extensions of the request.
pub(crate) async fn authenticate(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    let check = RoleCheck::default();
    let request = match authenticated(&access, request, &check).await {
        Ok(request) => request,
        Err(problem) => return problem.into_response(),
    };
    let principal = request.extensions().get::<Principal>().cloned();
    let mut response = if request.method().is_safe() {
        next.run(request).await
    } else {
        audited(&access, request, next).await
    };
    // The web page says who is signed in, also beside a problem.
    if let Some(principal) = principal {
        response.extensions_mut().insert(principal);
    }
    let is_answer = !response.status().is_client_error() && !response.status().is_server_error();
    if is_answer && !check.is_done() {
        return Problem::new(ProblemKind::Internal, "the route requires no role").into_response();
    }
    response
}

async fn authenticated(access: &Access, request: Request, check: &RoleCheck) -> Result<Request, Problem> {
    let (mut parts, body) = request.into_parts();
    let principal = access.authenticate(&parts).await?;
    // Another site cannot make a browser send a token. It can make it send cookies or a local request.
    if principal.origin() != PrincipalOrigin::Token {
        check_change(&parts).await?;
    }
    let body = access.body_limits().receive(&parts, body).await?;
    parts.extensions.insert(principal);
    parts.extensions.insert(check.clone());
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// A layer for the routes of GET that change something: refuses requests of other sites, prefetches and HEAD, and
/// writes the audit log.
/// The layer belongs to the route itself (`MethodRouter::layer`), below [`protect`].
pub(crate) async fn changing_get(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    if request.method() == Method::HEAD {
        return method_not_allowed().await.into_response();
    }
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    match same_site_get(request.headers()) {
        Ok(()) => audited(&access, request, next).await,
        Err(problem) => problem.into_response(),
    }
}

async fn audited(access: &Access, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let audit = match begin_audit(access, &parts).await {
        Ok(audit) => audit,
        Err(problem) => return problem.into_response(),
    };
    let response = audit.during(next.run(Request::from_parts(parts, body))).await;
    audit.end(response.status(), response.extensions().get::<AuditObject>().cloned()).await;
    response
}

async fn begin_audit(access: &Access, parts: &Parts) -> Result<AuditedRequest, Problem> {
    let Some(principal) = parts.extensions.get::<Principal>() else {
        return Err(Problem::new(ProblemKind::Internal, "the route is not part of the authenticated routes"));
    };
    AuditedRequest::begin(access.audit(), access.audit_entry(parts, principal)).await
}

/// Checks a request to a public route.
async fn check_public(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let checked = async {
        refuse_query_token(parts.uri.query())?;
        check_change(&parts).await?;
        access.body_limits().of_small_body().receive(&parts, body).await
    };
    match checked.await {
        Ok(body) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(problem) => problem.into_response(),
    }
}

/// Answers the questions of browsers for sites whose scripts may use the API.
async fn answer_allowed_origins(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let origins = access.allow_origins();
    if let Some(answer) = origins.preflight(request.method(), request.headers()) {
        return answer;
    }
    let headers = origins.response_headers(request.headers());
    let mut response = next.run(request).await;
    response.headers_mut().extend(headers);
    response
}

async fn not_found() -> Problem {
    Problem::new(ProblemKind::NotFound, "there is no such route")
}

async fn method_not_allowed() -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed, "the route exists, but not for this method")
}
