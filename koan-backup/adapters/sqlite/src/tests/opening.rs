//! Tests of the errors of opening a database.

use koan_backup_core::{
    ErrorKind,
    provider::{Provider as _, SessionOptions},
};

use crate::Sqlite;

#[test]
fn a_path_that_cannot_be_a_database_is_refused_with_the_path() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let text = directory.path().join("notes.txt");
    std::fs::write(&text, "these are notes, long enough to be no header of a database".repeat(40))
        .expect("written");
    for (path, hint) in [
        (directory.path().to_owned(), "is a directory"),
        (directory.path().join("missing/shop.db"), "does not exist"),
        (text, "not an SQLite database"),
        (":memory:".into(), "is not a file"),
        ("".into(), "is not a file"),
        ("file::memory:".into(), "is a URI"),
        ("file:shop.db?mode=rwc".into(), "is a URI"),
        (format!("file:{}?mode=rwc", directory.path().join("uri.db").display()).into(), "is a URI"),
        #[cfg(unix)]
        ("/dev/null".into(), "is not a regular file"),
    ] {
        let listed = || names(directory.path());
        let before = listed();
        for opened in [
            Sqlite::open(&path),
            Sqlite::create(&path),
            Sqlite::options(&path).read_only().open(),
            Sqlite::options(&path).ignore_table("migrations", "").create_if_missing().open(),
        ] {
            let error = opened.expect_err(hint).to_string();
            let is_named = error.contains(hint) && error.contains(&path.display().to_string());
            assert!(is_named || error.contains("`migrations` is ignored"), "{error}");
        }
        assert_eq!(listed(), before, "a failed start creates no file");
        assert!(!std::path::Path::new("file:shop.db").exists() && !std::path::Path::new("shop.db").exists());
    }
}

/// Returns the names in a directory.
fn names(directory: &std::path::Path) -> Vec<String> {
    let entries =
        std::fs::read_dir(directory).expect("listed").map(|entry| entry.expect("listed").file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[test]
fn a_misspelt_file_is_not_created_and_the_existing_one_is_suggested() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir(path("data")).expect("a directory");
    let _ = Sqlite::create(path("data/customers.db")).expect("created");
    std::fs::write(path("data/customers.db-wal"), "").expect("written");
    let (data, root) = (names(&path("data")), names(directory.path()));
    for missing in ["data/costumers.db", "data/customers.sqlite", "data/Customer.db", "dtaa/customers.db"] {
        for options in [Sqlite::options(path(missing)), Sqlite::options(path(missing)).read_only()] {
            let error = options.open().expect_err("missing").to_string();
            let suggestion = format!("did you mean `{}`?", path("data/customers.db").display());
            assert!(error.ends_with(&suggestion), "{error}");
        }
    }
    let error = Sqlite::open(path("data/orders.db")).expect_err("missing").to_string();
    assert!(error.contains("`Sqlite::create`") && !error.contains("did you mean"), "{error}");
    let error = Sqlite::create(path("dtaa/customers.db")).expect_err("no such directory").to_string();
    assert!(error.contains("did you mean"), "{error}");
    assert_eq!((names(&path("data")), names(directory.path())), (data, root));
}

#[test]
fn a_missing_file_is_an_error_and_is_created_only_on_request() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("new.db");
    for options in [Sqlite::options(&path), Sqlite::options(&path).read_only().create_if_missing()] {
        let error = options.open().expect_err("missing");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let text = error.to_string();
        assert!(text.contains(&path.display().to_string()) && text.contains("does not exist"), "{text}");
        assert!(!path.exists());
    }
    let error = Sqlite::open(&path).expect_err("missing").to_string();
    assert!(error.contains("Sqlite::create") && error.contains("mount"), "{error}");
    let link = directory.path().join("link.db");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        Sqlite::open(&link).expect_err("the target of the link does not exist");
    }
    assert!(!path.exists());
    let created = || Sqlite::options(&path).create_if_missing();
    assert_eq!(created().open().expect("created").path(), path);
    assert!(path.exists());
    created().open().expect("the file exists");
    Sqlite::create(&path).expect("the file exists");
    Sqlite::open(&path).expect("the file exists");
}

#[tokio::test]
async fn a_file_that_is_removed_is_not_created_again() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("shop.db");
    let provider = Sqlite::options(&path).create_if_missing().open().expect("created");
    std::fs::remove_file(&path).expect("removed");
    provider.snapshot().await.expect_err("the file does not exist");
    for options in [SessionOptions::default(), super::fixture::dry_run(SessionOptions::default())] {
        let error = provider.begin_restore(&options).await.expect_err("the file does not exist").to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
    assert!(!path.exists());
}

#[tokio::test]
async fn a_read_only_database_is_read_and_never_written() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("shop.db");
    let error = Sqlite::options(&path).read_only().open().expect_err("missing");
    assert!(error.to_string().contains("does not exist"), "{error}");
    assert!(!path.exists());
    Sqlite::options(&path).create_if_missing().open().expect("created");
    let provider = Sqlite::options(&path).read_only().open().expect("opened");
    provider.snapshot().await.expect("a snapshot");
    let error = provider.begin_restore(&SessionOptions::default()).await.expect_err("read-only");
    assert_eq!(error.kind(), ErrorKind::Provider);
    assert!(error.to_string().contains("read-only"), "{error}");
}

#[test]
fn a_table_is_not_ignored_without_a_reason() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let options = Sqlite::options(directory.path().join("shop.db")).ignore_table("migrations", " ");
    let error = options.open().expect_err("no reason");
    assert!(error.to_string().contains("`migrations`"), "{error}");
}

#[test]
fn a_busy_timeout_that_sqlite_cannot_represent_is_an_error() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("shop.db");
    drop(rusqlite::Connection::open(&path).expect("a database").execute_batch("CREATE TABLE t (id)"));
    let day = std::time::Duration::from_secs(86_400);
    let error = Sqlite::options(&path).busy_timeout(25 * day).open().expect_err("more than i32 milliseconds");
    assert!(error.to_string().contains("busy_timeout") && error.to_string().contains("24 days"), "{error}");
    drop(Sqlite::options(&path).busy_timeout(24 * day).open().expect("24 days are allowed"));
}

#[tokio::test]
async fn a_locked_database_is_an_error_that_names_the_remedy() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("shop.db");
    let other = rusqlite::Connection::open(&path).expect("a database");
    other.execute_batch("CREATE TABLE t (id); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)").expect("valid SQL");
    let provider =
        Sqlite::options(&path).busy_timeout(std::time::Duration::from_millis(10)).open().expect("opened");
    let error = provider.begin_restore(&SessionOptions::default()).await.expect_err("locked");
    assert!(error.to_string().contains("busy_timeout") && error.to_string().contains("shop.db"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_write_ahead_log_whose_index_cannot_be_created_is_an_error_with_a_remedy() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("log.db");
    {
        let connection = rusqlite::Connection::open(&path).expect("a database");
        connection.pragma_update(None, "journal_mode", "wal").expect("the journal mode can be set");
        connection.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY)").expect("valid SQL");
    }
    // SQLite does not follow this link, so it cannot create the file. A directory without write permission
    // would not have this effect for a superuser.
    std::os::unix::fs::symlink("nowhere", directory.path().join("log.db-shm")).expect("a link");
    for options in [Sqlite::options(&path), Sqlite::options(&path).read_only()] {
        let error = options.open().expect_err("the log cannot be read").to_string();
        assert!(
            error.contains("WAL mode") && error.contains("log.db-shm") && error.contains("-wal"),
            "{error}"
        );
    }
}
