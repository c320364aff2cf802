//! The command line of an application, tested by running its binary: `src/main.rs`, a shop that mounts the
//! commands of koan-backup. The program `koan-backup` is tested with the backups of this shop.

#[cfg(unix)]
mod bounded_files;
mod configured;
mod directories;
mod doctor;
mod existing_storage;
mod exit_codes;
#[cfg(target_os = "linux")]
mod full_disk;
mod guide;
mod help;
mod json;
mod names;
mod notifications;
mod orders;
mod pipes;
mod program;
#[cfg(target_os = "linux")]
mod secret_commands;
#[cfg(unix)]
mod serve;
mod shop;
#[cfg(unix)]
mod silent_store;
mod standalone;
mod stream;
mod stream_existing;
mod stream_flags;
mod stream_upkeep;
mod tables;
#[cfg(unix)]
mod terminal;
