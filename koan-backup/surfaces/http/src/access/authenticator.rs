//! The hook by which an application authenticates callers.

use async_trait::async_trait;
use axum::http::request::Parts;
use koan_backup_core::Result;

use super::principal::Principal;

/// Authenticates callers by the means of the application, for example its own sessions, and gives them a role.
///
/// The authenticator is asked for each request that has neither a valid token nor a session of koan-backup. It
/// receives the head of the request, and returns `None` for a caller that it does not know, which is answered with 401.
/// Requests that it accepts are checked for their origin like requests with a session cookie, because a cookie of the
/// application is sent by browsers from other sites as well.
///
/// A closure is an authenticator, if it needs no asynchronous work. In this example, a layer of the application around
/// the mounted router has stored the user in the extensions of the request.
///
/// ```
/// use axum::http::request::Parts;
/// use koan_backup_http::{Authenticator, Principal, Role};
///
/// #[derive(Clone)]
/// struct User {
///     login: String,
///     is_staff: bool,
/// }
///
/// fn accept(_: impl Authenticator) {}
///
/// accept(|request: &Parts| {
///     let user = request.extensions.get::<User>()?;
///     let role = if user.is_staff { Role::Operator } else { Role::Viewer };
///     Principal::new(user.login.clone(), role).ok()
/// });
/// ```
#[async_trait]
pub trait Authenticator: Send + Sync + 'static {
    /// Returns the caller of a request, or `None` if it is unknown.
    ///
    /// # Errors
    /// The caller cannot be determined, for example because a database cannot be reached. The request is answered with
    /// 503; the error is logged and not sent to the caller.
    async fn authenticate(&self, request: &Parts) -> Result<Option<Principal>>;
}

#[async_trait]
impl<F> Authenticator for F
where
    F: Fn(&Parts) -> Option<Principal> + Send + Sync + 'static,
{
    async fn authenticate(&self, request: &Parts) -> Result<Option<Principal>> {
        Ok(self(request))
    }
}
