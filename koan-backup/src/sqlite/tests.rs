//! Behaviour of the adapter, on real files.

mod covering;
mod fixture;
mod forms;
mod keys;
mod mapping;
mod opening;
mod reading;
mod restoring;
mod schema;
mod sets;
mod snapshots;
