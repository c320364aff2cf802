//! The command line of an application, tested by running its binary: `src/main.rs`, a shop that mounts the
//! commands of koan-backup.

mod configured;
mod doctor;
mod exit_codes;
mod guide;
mod help;
mod json;
mod names;
mod pipes;
mod shop;
mod tables;
#[cfg(unix)]
mod terminal;
