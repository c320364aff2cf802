//! Tests that a process which is killed at any time leaves either the earlier state or the complete result.
//!
//! To test another job, database or store, add a [`Scenario`](harness::Scenario) and a test function.

mod backup;
mod catalog;
mod event_files;
mod files;
mod harness;
#[cfg(unix)]
mod postgres;
mod process;
mod rekey;
mod restore;
mod shop;
mod streams;
mod uploads;

use backup::KilledBackup;
use event_files::KilledEventRestore;
use files::KilledFileRestore;
use harness::kill;
use rekey::KilledRekey;
use restore::KilledRestore;

koan_backup::entity_backup_scope!(mode = All);

#[test]
fn a_killed_backup_is_complete_or_does_not_exist() {
    kill::<KilledBackup>("a_killed_backup_is_complete_or_does_not_exist");
}

#[test]
fn a_killed_restore_leaves_the_database_unchanged_or_fully_restored() {
    kill::<KilledRestore>("a_killed_restore_leaves_the_database_unchanged_or_fully_restored");
}

#[test]
fn a_killed_rekey_leaves_a_backup_that_one_of_the_keys_decrypts() {
    kill::<KilledRekey>("a_killed_rekey_leaves_a_backup_that_one_of_the_keys_decrypts");
}

#[test]
fn a_killed_restore_of_files_leaves_them_unchanged_or_fully_restored() {
    kill::<KilledFileRestore>("a_killed_restore_of_files_leaves_them_unchanged_or_fully_restored");
}

#[test]
fn a_killed_restore_of_event_files_leaves_all_streams_unchanged_or_fully_restored() {
    kill::<KilledEventRestore>(
        "a_killed_restore_of_event_files_leaves_all_streams_unchanged_or_fully_restored",
    );
}

#[cfg(unix)]
#[test]
fn a_killed_backup_of_postgres_is_complete_or_does_not_exist() {
    kill::<postgres::KilledBackup>("a_killed_backup_of_postgres_is_complete_or_does_not_exist");
}

#[cfg(unix)]
#[test]
fn a_killed_restore_into_postgres_leaves_the_database_unchanged_or_fully_restored() {
    kill::<postgres::KilledRestore>(
        "a_killed_restore_into_postgres_leaves_the_database_unchanged_or_fully_restored",
    );
}

#[test]
fn a_killed_backup_of_event_files_is_complete_or_does_not_exist() {
    kill::<streams::KilledBackup<streams::Files>>(
        "a_killed_backup_of_event_files_is_complete_or_does_not_exist",
    );
}

#[test]
fn a_killed_restore_of_event_files_leaves_them_unchanged_or_fully_restored() {
    kill::<streams::KilledRestore<streams::Files>>(
        "a_killed_restore_of_event_files_leaves_them_unchanged_or_fully_restored",
    );
}

#[test]
fn a_killed_single_backup_of_event_files_is_complete_or_does_not_exist() {
    kill::<streams::KilledSingleBackup<streams::Files>>(
        "a_killed_single_backup_of_event_files_is_complete_or_does_not_exist",
    );
}

#[test]
fn a_killed_single_restore_of_event_files_leaves_them_unchanged_or_fully_restored() {
    kill::<streams::KilledSingleRestore<streams::Files>>(
        "a_killed_single_restore_of_event_files_leaves_them_unchanged_or_fully_restored",
    );
}

#[cfg(unix)]
#[test]
fn a_killed_backup_of_event_tables_of_postgres_is_complete_or_does_not_exist() {
    kill::<streams::KilledBackup<streams::Tables>>(
        "a_killed_backup_of_event_tables_of_postgres_is_complete_or_does_not_exist",
    );
}

#[cfg(unix)]
#[test]
fn a_killed_restore_of_event_tables_of_postgres_leaves_them_unchanged_or_fully_restored() {
    kill::<streams::KilledRestore<streams::Tables>>(
        "a_killed_restore_of_event_tables_of_postgres_leaves_them_unchanged_or_fully_restored",
    );
}

#[cfg(unix)]
#[test]
fn a_killed_single_backup_of_event_tables_of_postgres_is_complete_or_does_not_exist() {
    kill::<streams::KilledSingleBackup<streams::Tables>>(
        "a_killed_single_backup_of_event_tables_of_postgres_is_complete_or_does_not_exist",
    );
}

#[cfg(unix)]
#[test]
fn a_killed_single_restore_of_event_tables_of_postgres_leaves_them_unchanged_or_fully_restored() {
    kill::<streams::KilledSingleRestore<streams::Tables>>(
        "a_killed_single_restore_of_event_tables_of_postgres_leaves_them_unchanged_or_fully_restored",
    );
}

#[test]
fn a_killed_backup_of_event_tables_of_sqlite_is_complete_or_does_not_exist() {
    kill::<streams::KilledBackup<streams::SqliteTables>>(
        "a_killed_backup_of_event_tables_of_sqlite_is_complete_or_does_not_exist",
    );
}

#[test]
fn a_killed_restore_of_event_tables_of_sqlite_leaves_them_unchanged_or_fully_restored() {
    kill::<streams::KilledRestore<streams::SqliteTables>>(
        "a_killed_restore_of_event_tables_of_sqlite_leaves_them_unchanged_or_fully_restored",
    );
}

#[test]
fn a_killed_single_backup_of_event_tables_of_sqlite_is_complete_or_does_not_exist() {
    kill::<streams::KilledSingleBackup<streams::SqliteTables>>(
        "a_killed_single_backup_of_event_tables_of_sqlite_is_complete_or_does_not_exist",
    );
}

#[test]
fn a_killed_single_restore_of_event_tables_of_sqlite_leaves_them_unchanged_or_fully_restored() {
    kill::<streams::KilledSingleRestore<streams::SqliteTables>>(
        "a_killed_single_restore_of_event_tables_of_sqlite_leaves_them_unchanged_or_fully_restored",
    );
}
