//! Records that are reached by code of the application: SeaORM, Diesel, sqlx, a service, anything.

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
