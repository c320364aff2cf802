//! The HTTP API over a socket.

mod archives;
mod bodies;
mod client;
mod creating;
mod cross_site;
mod documentation;
mod documents;
mod downloads;
mod event_access;
mod inventory;
mod killed;
mod load;
mod metrics;
mod names;
mod operations;
mod page;
mod paths;
mod process;
mod removal;
mod replicas;
mod restoring;
mod roles;
mod schemathesis;
mod stream_access;
mod streams;
mod validation;
