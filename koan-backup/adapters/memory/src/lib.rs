//! A database in memory for tests of applications. It needs no tables and no server.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod database;
mod provider;
mod session;
mod snapshot;

pub use database::Memory;
