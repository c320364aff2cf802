//! Extractors that require a role.
//!
//! Every handler has exactly one of them. A handler without one answers 500 instead of its result: the layer that
//! authenticates stores a [`RoleCheck`] in the request, and refuses to send the answer of a handler that required no
//! role.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::principal::Principal;
use super::role::Role;
use crate::problem::{Problem, ProblemKind};

/// A caller with the role `viewer` or a higher one.
#[derive(Clone, Debug)]
pub(crate) struct Viewer(pub(crate) Principal);

/// A caller with the role `operator` or a higher one.
#[derive(Clone, Debug)]
pub(crate) struct Operator(pub(crate) Principal);

/// A caller with the role `admin`.
#[derive(Clone, Debug)]
pub(crate) struct Admin(pub(crate) Principal);

/// Records whether a handler required a role.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoleCheck(Arc<AtomicBool>);

impl RoleCheck {
    /// Returns whether a role was required.
    pub(crate) fn is_done(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn set_done(&self) {
        self.0.store(true, Ordering::Release);
    }
}

fn required(parts: &Parts, role: Role) -> Result<Principal, Problem> {
    let (Some(principal), Some(check)) =
        (parts.extensions.get::<Principal>(), parts.extensions.get::<RoleCheck>())
    else {
        let detail = "the route requires a role and is not part of the authenticated routes";
        return Err(Problem::new(ProblemKind::Internal, detail));
    };
    check.set_done();
    principal.require(role)?;
    Ok(principal.clone())
}

impl<S: Sync> FromRequestParts<S> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        required(parts, Role::Viewer).map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        required(parts, Role::Operator).map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        required(parts, Role::Admin).map(Self)
    }
}
