//! PostgreSQL as a provider. Each test starts its own servers.
#![cfg(unix)]

mod chinook;
mod conformance;
mod equality;
mod event_store;
mod faults;
mod fixture;
mod indexes;
mod json_nulls;
mod large;
mod messages;
mod naming;
mod reading;
mod references;
mod refusals;
mod restoring;
mod rules;
mod sequences;
mod settings;
mod standby;
mod state;
mod suspension;
mod swaps;
mod types;
mod values;
