//! The HTTP API over a socket.

mod client;
mod creating;
mod documentation;
mod documents;
mod downloads;
mod event_access;
mod inventory;
mod metrics;
mod names;
mod operations;
mod removal;
mod restoring;
mod roles;
mod validation;
