//! The sample database Chinook, copied between SQLite, PostgreSQL and JSON files.

use std::path::{Path, PathBuf};

use koan_backup::prelude::*;
use koan_backup::{
    KoanBuilder,
    entity::{ScopeDeclaration, ScopeMode},
};
use koan_backup_examples::chinook as shop;
use koan_backup_tests::postgres::{Server, VERSIONS};
use rusqlite::Connection;

use super::fixture::hashes;

/// The scope of the crate that defines the entities.
static SCOPE: ScopeDeclaration = ScopeDeclaration {
    module_path: "koan_backup_examples",
    file: file!(),
    line: line!(),
    mode: ScopeMode::All,
    encrypt_by_default: None,
    include_schema_by_default: None,
};

/// Returns the path of a sample database.
fn data(name: &str) -> PathBuf {
    let folder = std::env::var_os("KOAN_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let file = folder.join(name);
    assert!(
        file.is_file(),
        "{} does not exist; set KOAN_TEST_DATA to the folder that contains {name}",
        file.display()
    );
    file
}

fn entities(builder: KoanBuilder) -> KoanBuilder {
    builder
        .register::<shop::Album>()
        .register::<shop::Artist>()
        .register::<shop::Customer>()
        .register::<shop::Employee>()
        .register::<shop::Genre>()
        .register::<shop::Invoice>()
        .register::<shop::InvoiceLine>()
        .register::<shop::MediaType>()
        .register::<shop::Playlist>()
        .register::<shop::PlaylistTrack>()
        .register::<shop::Track>()
        .register_scope(&SCOPE)
}

async fn koan_with(database: impl koan_backup::provider::Provider, storage: &Path) -> Koan {
    let builder = Koan::builder().only_registered().provider(database);
    let builder = entities(builder.storage(Storage::local(storage).expect("a directory")));
    builder.deny_uncovered().build().await.expect("a context")
}

/// Creates the Chinook database from its published script.
fn create_published(server: &Server, folder: &Path) {
    let script = std::fs::read_to_string(data("Chinook_PostgreSql.sql")).expect("a script");
    // The script first creates a database and connects to it. The test runs only the statements after that.
    let (_, tables) = script.split_once("\\c chinook;").expect("the script connects to its database");
    let file = folder.join("chinook.sql");
    // A literal `N'…'` has the type `char`, so PostgreSQL removes the trailing spaces of an address. The
    // addresses in SQLite's file contain them.
    let tables = tables.replace(", N'", ", '").replace("(N'", "('");
    std::fs::write(&file, tables).expect("written");
    server.run_file(&file);
}

/// Returns every row of every table.
fn dump(server: &Server) -> Vec<String> {
    let tables = server.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1");
    let table =
        |table: &str| server.sql(&format!("SELECT t::text FROM {table} t ORDER BY t::text COLLATE \"C\""));
    tables.lines().map(table).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn chinook_is_copied_from_sqlite_to_postgres_and_back_without_a_change() {
    for version in VERSIONS {
        let folder = tempfile::tempdir().expect("a directory");
        let server = Server::of_version(version);
        create_published(&server, folder.path());
        let (rows, schema) = (dump(&server), server.schema());
        assert_eq!(rows.len(), 11);
        let storage = folder.path().join("backups");
        let copy = folder.path().join("chinook.db");
        std::fs::copy(data("Chinook_Sqlite.sqlite"), &copy).expect("copied");
        let sqlite = koan_with(Sqlite::open(&copy).expect("opened"), &storage).await;
        let sqlite_backup = sqlite.backup("of-sqlite").await.expect("a backup");

        let postgres = || Postgres::connect(server.address()).expect("an address");
        let koan = koan_with(postgres(), &storage).await;
        let script_backup = koan.backup("of-script").await.expect("a backup");
        assert_eq!(hashes(sqlite_backup.manifest()), hashes(script_backup.manifest()));

        server.sql("TRUNCATE album, artist, customer, employee, genre, invoice, invoice_line, media_type, playlist, playlist_track, track");
        let report = koan.restore("of-sqlite").await.expect("restored");
        assert_eq!(report.record_count(), sqlite_backup.item_count());
        assert!(dump(&server) == rows, "the rows must equal those that the script inserted");
        assert_eq!(server.schema(), schema);
        let postgres_backup = koan.backup("of-postgres").await.expect("a backup");
        assert_eq!(hashes(sqlite_backup.manifest()), hashes(postgres_backup.manifest()));

        Connection::open(&copy)
            .expect("a database")
            .execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM Track WHERE TrackId % 2 = 0; UPDATE Invoice SET Total = 0;")
            .expect("changed");
        let _ = sqlite.restore("of-postgres").replace_existing().await.expect("restored");
        let final_backup = sqlite.backup("back").await.expect("a backup");
        assert_eq!(hashes(sqlite_backup.manifest()), hashes(final_backup.manifest()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chinook_is_copied_to_json_files_and_back_without_a_change() {
    let folder = tempfile::tempdir().expect("a directory");
    let server = Server::start();
    create_published(&server, folder.path());
    let rows = dump(&server);
    let storage = folder.path().join("backups");
    let postgres = koan_with(Postgres::connect(server.address()).expect("an address"), &storage).await;
    let postgres_backup = postgres.backup("of-postgres").await.expect("a backup");
    let copy = folder.path().join("chinook.db");
    std::fs::copy(data("Chinook_Sqlite.sqlite"), &copy).expect("copied");
    let sqlite = koan_with(Sqlite::open(&copy).expect("opened"), &storage).await;
    let sqlite_backup = sqlite.backup("of-sqlite").await.expect("a backup");
    assert_eq!(hashes(postgres_backup.manifest()), hashes(sqlite_backup.manifest()));

    let lines = JsonFiles::lines(folder.path().join("lines")).expect("a directory");
    let documents = JsonFiles::documents(folder.path().join("documents")).expect("a directory");
    for (files, from, name) in [(lines, "of-postgres", "of-lines"), (documents, "of-sqlite", "of-documents")]
    {
        let koan = koan_with(files, &storage).await;
        let report = koan.restore(from).await.expect("restored");
        assert_eq!(report.record_count(), postgres_backup.item_count(), "{name}");
        let files_backup = koan.backup(name).await.expect("a backup");
        assert_eq!(hashes(files_backup.manifest()), hashes(postgres_backup.manifest()), "{name}");
    }

    server.sql("TRUNCATE album, artist, customer, employee, genre, invoice, invoice_line, media_type, playlist, playlist_track, track");
    let _ = postgres.restore("of-lines").await.expect("restored");
    assert!(dump(&server) == rows, "the rows must equal those that the script inserted");

    Connection::open(&copy)
        .expect("a database")
        .execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM Track WHERE TrackId % 2 = 0; UPDATE Invoice SET Total = 0;")
        .expect("changed");
    let _ = sqlite.restore("of-documents").replace_existing().await.expect("restored");
    let final_backup = sqlite.backup("back").await.expect("a backup");
    assert_eq!(hashes(final_backup.manifest()), hashes(sqlite_backup.manifest()));
}
