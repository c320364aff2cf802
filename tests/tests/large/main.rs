//! Large values: of entities, and of event streams.

mod sqlite;
mod streams;
