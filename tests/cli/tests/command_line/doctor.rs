//! `doctor` finds what is wrong with a shop that `koan.toml` configures.

mod backups;
mod configuration;
mod databases;
mod output;
mod setup;
mod storages;
