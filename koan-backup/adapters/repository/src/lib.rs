//! A provider for records that the application reads and writes with its own code: SeaORM, Diesel, sqlx, a
//! service, or any other code.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod erased;
mod hooks;
mod provider;
mod repositories;
mod repository;
mod restore_request;
mod session;
mod snapshot;

#[cfg(test)]
mod tests;

pub use repositories::Repositories;
pub use repository::{Repository, RepositoryError};
pub use restore_request::{RestoreOutcome, RestoreRequest};
