//! PostgreSQL as a provider, on servers that each test starts for itself.
#![cfg(unix)]

mod chinook;
mod conformance;
mod equality;
mod faults;
mod indexes;
mod json_nulls;
mod large;
mod messages;
mod naming;
mod reading;
mod references;
mod refusals;
mod restoring;
mod rig;
mod rules;
mod sequences;
mod settings;
mod standby;
mod state;
mod suspension;
mod swaps;
mod types;
mod values;
