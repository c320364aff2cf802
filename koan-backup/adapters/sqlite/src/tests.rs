//! Tests of the adapter's behaviour, on real database files.

mod counts;
mod coverage;
mod damage;
mod dates;
mod derived_data;
mod dry_run;
mod fixture;
mod key_equality;
mod keys;
mod mapping;
mod new_rows;
mod nulls;
mod opening;
mod physical_forms;
mod reading;
mod restoring;
mod schema;
mod sets;
mod snapshots;
mod suspension;
mod unwritable;
