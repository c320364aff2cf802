//! Single backups of event streams: backup, restore, clone, bulk operations, verification, listing and removal.

mod bulk;
mod cleanup;
mod cloning;
mod content;
mod damage;
mod encrypted;
mod faults;
mod field_reports;
mod included;
mod leases;
mod listing;
mod removal;
mod restoring;
mod shop;
mod upkeep;
