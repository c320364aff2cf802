//! PostgreSQL as a provider, on servers that each test starts for itself.
#![cfg(unix)]

mod chinook;
mod conformance;
mod faults;
mod indexes;
mod naming;
mod reading;
mod references;
mod restoring;
mod rig;
mod sequences;
mod settings;
mod standby;
mod state;
mod types;
mod values;
