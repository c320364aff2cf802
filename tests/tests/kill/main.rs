//! A process that is killed at any moment of its work leaves either the earlier state or the completed
//! result.
//!
//! A test of another job, database or store is a [`Scenario`](harness::Scenario) and a test function.

mod backup;
mod catalog;
mod files;
mod harness;
#[cfg(unix)]
mod postgres;
mod process;
mod rekey;
mod restore;
mod shop;
mod uploads;

use backup::KilledBackup;
use files::KilledFiles;
use harness::kill;
use rekey::KilledRekey;
use restore::KilledRestore;

koan_backup::entity_backup_scope!(mode = All);

#[test]
fn a_killed_backup_is_whole_or_not_there() {
    kill::<KilledBackup>("a_killed_backup_is_whole_or_not_there");
}

#[test]
fn a_killed_restore_leaves_the_database_as_it_was_or_as_the_archive() {
    kill::<KilledRestore>("a_killed_restore_leaves_the_database_as_it_was_or_as_the_archive");
}

#[test]
fn a_killed_rekey_leaves_a_backup_that_one_of_the_keys_opens() {
    kill::<KilledRekey>("a_killed_rekey_leaves_a_backup_that_one_of_the_keys_opens");
}

#[test]
fn a_killed_restore_of_files_leaves_them_as_they_were_or_as_the_archive() {
    kill::<KilledFiles>("a_killed_restore_of_files_leaves_them_as_they_were_or_as_the_archive");
}

#[cfg(unix)]
#[test]
fn a_killed_backup_of_postgres_is_whole_or_not_there() {
    kill::<postgres::KilledBackup>("a_killed_backup_of_postgres_is_whole_or_not_there");
}

#[cfg(unix)]
#[test]
fn a_killed_restore_into_postgres_leaves_the_database_as_it_was_or_as_the_archive() {
    kill::<postgres::KilledRestore>(
        "a_killed_restore_into_postgres_leaves_the_database_as_it_was_or_as_the_archive",
    );
}
