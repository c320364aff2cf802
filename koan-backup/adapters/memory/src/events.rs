//! The event store in memory.

mod aggregate;
mod changes;
mod content;
mod reader;
mod session;
mod store;
mod writer;

pub use self::store::MemoryEvents;
