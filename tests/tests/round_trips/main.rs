//! Round trips of random values of every field type through every provider: the values are written, backed
//! up, deleted, restored, and compared bit for bit.

mod harness;
mod making;
mod record;

use harness::assert_any_record_is_restored;
use koan_backup::prelude::*;
use making::Limits;

koan_backup::entity_backup_scope!(mode = All);

#[test]
fn any_record_is_restored_from_memory() {
    assert_any_record_is_restored(Memory::new(), Limits::default());
}

#[test]
fn any_record_is_restored_from_sqlite() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("any.db");
    rusqlite::Connection::open(&path)
        .expect("a database")
        .execute_batch("VACUUM")
        .expect("an empty database");
    // A column of type REAL stores whole numbers as integers, which have no negative zero.
    let limits = Limits { has_negative_zero: false, ..Limits::default() };
    assert_any_record_is_restored(Sqlite::open(path).expect("opened"), limits);
}

#[test]
fn any_record_is_restored_from_lines() {
    let folder = tempfile::tempdir().expect("a directory");
    assert_any_record_is_restored(JsonFiles::lines(folder.path()).expect("opened"), Limits::default());
}

#[test]
fn any_record_is_restored_from_documents() {
    let folder = tempfile::tempdir().expect("a directory");
    assert_any_record_is_restored(JsonFiles::documents(folder.path()).expect("opened"), Limits::default());
}

#[cfg(unix)]
#[test]
fn any_record_is_restored_from_postgres() {
    let server = koan_backup_tests::postgres::Server::start();
    // PostgreSQL stores no NUL in texts, stores times in microseconds, and stores no negative zero in
    // `jsonb`.
    let limits = Limits {
        has_nul: false,
        has_negative_zero_in_lists: false,
        resolution_nanos: 1_000,
        ..Limits::default()
    };
    assert_any_record_is_restored(Postgres::connect(server.address()).expect("an address"), limits);
}
