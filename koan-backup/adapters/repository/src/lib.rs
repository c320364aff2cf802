//! Records that are reached by code of the application: SeaORM, Diesel, sqlx, a service, anything.

mod erased;
mod hooks;
mod provider;
mod session;
mod snapshot;

#[cfg(test)]
mod tests;

pub use hooks::{RestoreOutcome, RestoreRequest};
pub use provider::{Repositories, Repository, RepositoryError};
