//! A shop whose backups have an HTTP API, for tests that call it over a socket.

mod entities;
mod server;
mod streams;

pub use entities::{Order, Payment, User, create_tables};
pub use server::{ADMIN, OPERATOR, Server, VIEWER};
pub use streams::{PATIENT, event_store, with_streams};
