//! A database and an event store in memory, for tests of applications. They need no tables and no server.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod database;
mod events;
mod provider;
mod session;
mod snapshot;
mod vectors;

pub use database::Memory;
pub use events::MemoryEvents;
pub use vectors::MemoryVectors;
