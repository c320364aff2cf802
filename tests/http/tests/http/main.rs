//! The HTTP API over a socket.

mod client;
mod creating;
mod documents;
mod downloads;
mod names;
mod operations;
mod page;
mod removal;
mod restoring;
mod roles;
mod validation;
