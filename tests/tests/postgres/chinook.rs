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

fn data(name: &str) -> PathBuf {
    let folder = std::env::var_os("KOAN_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let file = folder.join(name);
    assert!(file.is_file(), "there is no {}: name the folder of {name} in KOAN_TEST_DATA", file.display());
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

async fn over(database: impl koan_backup::provider::Provider, storage: &Path) -> Koan {
    let builder = Koan::builder().only_registered().provider("main", database);
    let builder = entities(builder.storage("local", Storage::local(storage).expect("a directory")));
    builder.deny_uncovered().build().await.expect("a context")
}

/// Creates the Chinook database from its published script.
fn published(server: &Server, folder: &Path) {
    let script = std::fs::read_to_string(data("Chinook_PostgreSql.sql")).expect("a script");
    // The script first creates a database and connects to it. The test runs only the statements after that.
    let (_, tables) = script.split_once("\\c chinook;").expect("it enters its database");
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
async fn chinook_is_the_same_in_sqlite_and_postgres_and_back() {
    for version in VERSIONS {
        let folder = tempfile::tempdir().expect("a directory");
        let server = Server::of_version(version);
        published(&server, folder.path());
        let (rows, schema) = (dump(&server), server.schema());
        assert_eq!(rows.len(), 11);
        let storage = folder.path().join("backups");
        let copy = folder.path().join("chinook.db");
        std::fs::copy(data("Chinook_Sqlite.sqlite"), &copy).expect("copied");
        let sqlite = over(Sqlite::open(&copy).expect("opened"), &storage).await;
        let of_sqlite = sqlite.backup("of-sqlite").await.expect("a backup");

        let postgres = || Postgres::connect(server.address()).expect("an address");
        let koan = over(postgres(), &storage).await;
        let of_script = koan.backup("of-script").await.expect("a backup");
        assert_eq!(hashes(of_sqlite.manifest()), hashes(of_script.manifest()));

        server.sql("TRUNCATE album, artist, customer, employee, genre, invoice, invoice_line, media_type, playlist, playlist_track, track");
        let report = koan.restore("of-sqlite").await.expect("restored");
        assert_eq!(report.record_count(), of_sqlite.item_count());
        assert!(dump(&server) == rows, "row by row as the script loads them");
        assert_eq!(server.schema(), schema);
        let of_postgres = koan.backup("of-postgres").await.expect("a backup");
        assert_eq!(hashes(of_sqlite.manifest()), hashes(of_postgres.manifest()));

        Connection::open(&copy)
            .expect("a database")
            .execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM Track WHERE TrackId % 2 = 0; UPDATE Invoice SET Total = 0;")
            .expect("changed");
        sqlite.restore("of-postgres").replace_existing().await.expect("restored");
        let back = sqlite.backup("back").await.expect("a backup");
        assert_eq!(hashes(of_sqlite.manifest()), hashes(back.manifest()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chinook_is_the_same_in_json_files_and_back() {
    let folder = tempfile::tempdir().expect("a directory");
    let server = Server::start();
    published(&server, folder.path());
    let rows = dump(&server);
    let storage = folder.path().join("backups");
    let postgres = over(Postgres::connect(server.address()).expect("an address"), &storage).await;
    let of_postgres = postgres.backup("of-postgres").await.expect("a backup");
    let copy = folder.path().join("chinook.db");
    std::fs::copy(data("Chinook_Sqlite.sqlite"), &copy).expect("copied");
    let sqlite = over(Sqlite::open(&copy).expect("opened"), &storage).await;
    let of_sqlite = sqlite.backup("of-sqlite").await.expect("a backup");
    assert_eq!(hashes(of_postgres.manifest()), hashes(of_sqlite.manifest()));

    let lines = JsonFiles::lines(folder.path().join("lines")).expect("a directory");
    let documents = JsonFiles::documents(folder.path().join("documents")).expect("a directory");
    for (files, from, name) in [(lines, "of-postgres", "of-lines"), (documents, "of-sqlite", "of-documents")]
    {
        let koan = over(files, &storage).await;
        let report = koan.restore(from).await.expect("restored");
        assert_eq!(report.record_count(), of_postgres.item_count(), "{name}");
        let of_files = koan.backup(name).await.expect("a backup");
        assert_eq!(hashes(of_files.manifest()), hashes(of_postgres.manifest()), "{name}");
    }

    server.sql("TRUNCATE album, artist, customer, employee, genre, invoice, invoice_line, media_type, playlist, playlist_track, track");
    postgres.restore("of-lines").await.expect("restored");
    assert!(dump(&server) == rows, "row by row as the script loads them");

    Connection::open(&copy)
        .expect("a database")
        .execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM Track WHERE TrackId % 2 = 0; UPDATE Invoice SET Total = 0;")
        .expect("changed");
    sqlite.restore("of-documents").replace_existing().await.expect("restored");
    let back = sqlite.backup("back").await.expect("a backup");
    assert_eq!(hashes(back.manifest()), hashes(of_sqlite.manifest()));
}
