//! Behaviour of the adapter, on real files.

mod counts;
mod coverage;
mod damage;
mod dates;
mod derived_data;
mod dry_run;
mod key_equality;
mod fixture;
mod physical_forms;
mod keys;
mod mapping;
mod nulls;
mod opening;
mod reading;
mod restoring;
mod schema;
mod sets;
mod snapshots;
