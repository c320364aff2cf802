//! A database in memory, for tests of applications: it has no tables to make and no server to start.

mod database;
mod provider;
mod session;
mod snapshot;

pub use database::Memory;
