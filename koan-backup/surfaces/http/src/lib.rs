//! The HTTP API of koan-backup.
//!
//! An application mounts [`router`] into its own `axum` router. Applications depend on the crate `koan-backup`, which
//! re-exports this crate as `http` with the feature `http`.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[allow(dead_code, reason = "the routes use it")]
mod access;
mod problem;

pub use access::{
    AuditLog, Authenticator, Principal, PrincipalOrigin, Role, TokenEntry, TokenSecret, Tokens,
};
