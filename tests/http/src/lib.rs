//! A shop whose backups have an HTTP API, for tests that call it over a socket.

mod entities;
mod server;

pub use entities::{Order, Payment, User, create_tables};
pub use server::{ADMIN, OPERATOR, Server, VIEWER};
