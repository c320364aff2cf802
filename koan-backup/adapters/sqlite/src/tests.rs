//! Behaviour of the adapter, on real files.

mod balance;
mod covering;
mod damage;
mod dates;
mod derived_data;
mod dry_run;
mod equality;
mod fixture;
mod forms;
mod keys;
mod mapping;
mod nulls;
mod opening;
mod reading;
mod restoring;
mod schema;
mod sets;
mod snapshots;
mod suspension;
