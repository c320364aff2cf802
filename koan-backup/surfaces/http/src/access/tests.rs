//! Tests of access over a real socket.

mod audit_log;
mod browsers;
mod callers;
mod limits;
mod server;
mod sessions;
