//! Tests of operations with the store in a file of SQLite.

mod cancellation;
mod clocks;
mod context;
mod events;
mod faulty_store;
mod fixture;
mod history;
mod idempotency;
mod killed;
mod leases;
mod lifecycle;
mod profile;
mod queue;
mod shutdown;
mod store_failures;
mod store_files;
