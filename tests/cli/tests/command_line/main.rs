//! The command line of an application, tested by running its binary: `src/main.rs`, a shop that mounts the
//! commands of koan-backup. The program `koan-backup` is tested with the backups of this shop.

mod configured;
mod doctor;
mod exit_codes;
mod guide;
mod help;
mod json;
mod names;
mod notifications;
mod pipes;
mod program;
mod shop;
mod standalone;
mod tables;
#[cfg(unix)]
mod terminal;
