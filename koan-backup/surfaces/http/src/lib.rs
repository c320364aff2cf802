//! The HTTP API of koan-backup.
//!
//! An application mounts [`router`] into its own `axum` router. Applications depend on the crate `koan-backup`, which
//! re-exports this crate as `http` with the feature `http`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod access;
mod backups;
mod comparisons;
mod docs;
mod entities;
mod event_stream;
mod hex;
mod links;
mod openapi;
mod operations;
mod options;
mod orders;
mod page;
mod problem;
mod requests;
mod responses;
mod routes;
mod schemas;
mod series;
mod state;
mod streams;
mod surface;

pub use access::{
    AuditLog, Authenticator, Principal, PrincipalOrigin, Role, TokenEntry, TokenSecret, Tokens,
};
pub use options::HttpOptions;
pub use surface::{BackupApi, router};
