//! Values that nobody chose, of every type of field, through every provider: written, backed up, lost, restored, and compared
//! bit for bit.

mod harness;
mod making;
mod record;

use harness::any_record_comes_back;
use koan_backup::prelude::*;
use making::Limits;

koan_backup::entity_backup_scope!(mode = All);

#[test]
fn any_record_comes_back_from_memory() {
    any_record_comes_back(Memory::new(), Limits::default());
}

#[test]
fn any_record_comes_back_from_sqlite() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("any.db");
    rusqlite::Connection::open(&path)
        .expect("a database")
        .execute_batch("VACUUM")
        .expect("an empty database");
    // A column of type REAL keeps whole numbers as integers, which have one nought.
    let limits = Limits { signs_nought: false, ..Limits::default() };
    any_record_comes_back(Sqlite::open(path).expect("opened"), limits);
}

#[test]
fn any_record_comes_back_from_lines() {
    let folder = tempfile::tempdir().expect("a directory");
    any_record_comes_back(JsonFiles::lines(folder.path()).expect("opened"), Limits::default());
}

#[test]
fn any_record_comes_back_from_documents() {
    let folder = tempfile::tempdir().expect("a directory");
    any_record_comes_back(JsonFiles::documents(folder.path()).expect("opened"), Limits::default());
}

#[cfg(unix)]
#[test]
fn any_record_comes_back_from_postgres() {
    let server = koan_backup_tests::postgres::Server::start();
    // Its texts hold no NUL, its times nothing below a microsecond, and the numbers of its `jsonb` no sign of nought.
    let limits = Limits { has_nul: false, signs_nought_in_lists: false, nanos: 1_000, ..Limits::default() };
    any_record_comes_back(Postgres::connect(server.address()).expect("an address"), limits);
}
