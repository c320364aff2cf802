//! A vector store in memory.

mod content;
mod reader;
mod session;
mod store;

pub use store::MemoryVectors;
