//! The comparison of a module with a database that changed.

use koan_backup::generate::{GenerateOptions, check, generate, open};
use koan_backup_tests::postgres::Server;
use rusqlite::Connection;

/// Returns the differences as text, one in each line.
async fn differences(url: &str, module: &str) -> String {
    let provider = open(url).expect("a database");
    let found = check(provider.as_ref(), module).await.expect("a comparison");
    found.iter().map(|difference| format!("{difference}\n")).collect()
}

#[tokio::test]
async fn each_kind_of_change_of_a_sqlite_database_is_found() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("shop.db");
    let connection = Connection::open(&path).expect("a database");
    connection
        .execute_batch(
            "CREATE TABLE user (id INTEGER PRIMARY KEY, email TEXT NOT NULL, born DATE, score INTEGER, part TEXT NOT NULL);
             CREATE TABLE removed (id INTEGER PRIMARY KEY);",
        )
        .expect("a schema");
    let url = format!("sqlite:{}", path.display());
    let module = generate(open(&url).expect("a database").as_ref(), &GenerateOptions::default())
        .await
        .expect("a module");
    assert_eq!(differences(&url, &module).await, "");
    connection
        .execute_batch(
            "DROP TABLE removed; DROP TABLE user;
             CREATE TABLE user (id INTEGER NOT NULL, email TEXT, score REAL, part TEXT NOT NULL, phone TEXT, PRIMARY KEY (id, part));
             CREATE TABLE added (id INTEGER PRIMARY KEY);",
        )
        .expect("a schema");
    insta::assert_snapshot!(differences(&url, &module).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_change_of_a_postgres_database_is_found() {
    let server = Server::start();
    server.sql(
        "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE unchanged AS ENUM ('one');
         CREATE TABLE person (id bigint PRIMARY KEY, mood mood NOT NULL, moods mood[], kind unchanged, born timestamptz);",
    );
    let url = server.address();
    let module = generate(open(&url).expect("a database").as_ref(), &GenerateOptions::default())
        .await
        .expect("a module");
    assert_eq!(differences(&url, &module).await, "");
    server.sql(
        "ALTER TYPE mood ADD VALUE 'angry'; ALTER TYPE mood RENAME VALUE 'sad' TO 'gloomy';
         ALTER TABLE person ALTER id TYPE int, ALTER born TYPE timestamp, ALTER kind SET NOT NULL;
         CREATE SCHEMA sales; CREATE TABLE sales.person (id int PRIMARY KEY);",
    );
    insta::assert_snapshot!(differences(&url, &module).await);
}

#[test]
fn the_url_of_another_kind_of_database_is_refused_without_its_password() {
    let error = open("mysql://user:secret@host/shop").expect_err("an error").to_string();
    insta::assert_snapshot!(error);
}

#[tokio::test]
async fn a_database_without_tables_and_an_invalid_module_are_refused() {
    let files = tempfile::tempdir().expect("a directory");
    let json = koan_backup::JsonFiles::lines(files.path()).expect("a directory");
    let error = generate(&json, &GenerateOptions::default()).await.expect_err("an error").to_string();
    assert!(error.contains("a provider of kind `json` has no tables"), "{error}");
    let path = files.path().join("empty.db");
    Connection::open(&path)
        .expect("a database")
        .execute_batch("CREATE TABLE a (id INTEGER PRIMARY KEY)")
        .expect("a table");
    let provider = koan_backup::Sqlite::open(&path).expect("a database");
    let error = check(&provider, "pub struct A {\n  id i64 }").await.expect_err("an error").to_string();
    assert!(error.contains("is not valid Rust") && error.contains("line 2"), "{error}");
}
