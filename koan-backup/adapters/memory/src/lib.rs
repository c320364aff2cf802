//! A database in memory for tests of applications. It needs no tables and no server.

mod database;
mod provider;
mod session;
mod snapshot;

pub use database::Memory;
