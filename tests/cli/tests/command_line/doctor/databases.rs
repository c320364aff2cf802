//! Databases that cannot be read.

use std::net::TcpListener;
#[cfg(unix)]
use std::process::{Command, Stdio};

use koan_backup_tests::postgres::Server;

use super::setup::{Findings, Setup, contents};

#[test]
fn a_misspelt_database_is_found_and_does_not_hide_the_other_checks() {
    let mut setup = Setup::with_backup();
    setup.provider = "\"sqlite:{folder}/shpo.db\"".to_owned();
    let found = setup.doctor();
    found.require_problem("provider main", "shpo.db` does not exist", "shop.db`?");
    found.require_count(1);
    for subject in ["configuration", "storage local", "keys", "backups"] {
        found.require_ok(subject);
    }
    assert!(
        !found.text.contains("coverage"),
        "tables that were not read are not called covered: {}",
        found.text
    );
}

#[test]
fn a_locked_database_and_a_file_that_is_no_database_are_found() {
    let mut setup = Setup::with_backup();
    setup.provider = "{ url = \"sqlite:{folder}/shop.db\", busy_timeout = \"1s\" }".to_owned();
    let lock = rusqlite::Connection::open(setup.path("shop.db")).expect("the database opens");
    lock.execute_batch("BEGIN EXCLUSIVE").expect("the lock is acquired");
    setup.doctor().require_problem("provider main", "locked the database", "busy_timeout");
    drop(lock);
    std::fs::write(setup.path("shop.db"), "not a database, but long enough to be read as one".repeat(20))
        .expect("written");
    setup.doctor().require_problem("provider main", "not an SQLite database", "check the path");
}

#[test]
fn a_database_that_cannot_be_written_is_a_warning() {
    let mut setup = Setup::with_backup();
    setup.provider = "{ url = \"sqlite:{folder}/shop.db\", read_only = true }".to_owned();
    let found = setup.doctor();
    assert_eq!(found.code, Some(0), "backups work: {}", found.text);
    let is_warning =
        |line: &str| line.starts_with("warning  provider main") && line.contains("opened read-only");
    assert!(
        found.text.lines().any(is_warning) && found.text.contains("without `read_only`"),
        "{}",
        found.text
    );
}

#[test]
fn a_directory_of_json_files_that_is_not_mounted_is_found() {
    let mut setup = Setup::new();
    setup.provider = "\"json:{folder}/documents\"".to_owned();
    std::fs::create_dir_all(setup.path("documents/users")).expect("the directory is created");
    std::fs::write(setup.path("documents/users/root.jsonl"), "{\"id\":1,\"name\":\"Ada\"}\n")
        .expect("a document");
    // This start remembers the directory.
    assert!(setup.command(&["inventory"]).output().expect("the shop runs").status.success());
    setup.doctor().require_ok("provider main");
    std::fs::rename(setup.path("documents"), setup.path("elsewhere")).expect("the disk is unmounted");
    setup.doctor().require_problem(
        "provider main",
        "does not exist, and this machine has used it before",
        "mount",
    );
    std::fs::create_dir(setup.path("documents")).expect("the mount point remains");
    setup.doctor().require_problem("provider main", "is empty, but was not empty", "mount its disk");
}

#[test]
fn a_table_that_the_role_may_not_read_is_found_with_the_grant() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);
         CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL, note text NOT NULL);
         CREATE TABLE payments (id bigint PRIMARY KEY, card text NOT NULL);
         CREATE TABLE search_index (id bigint PRIMARY KEY);
         CREATE ROLE shop_backup LOGIN; GRANT SELECT ON users, orders TO shop_backup",
    );
    let mut setup = Setup::new();
    setup.provider = format!("\"{}\"", server.address_of("shop_backup", "test"));
    let found = setup.doctor();
    let grant = "GRANT SELECT ON \"public\".\"payments\" TO \"shop_backup\";";
    found.require_problem("provider main", "role shop_backup may not read table `payments`", grant);
    assert!(found.text.contains("role shop_backup, 2 of 3 entities readable"), "{}", found.text);
    let grant_to_write = "GRANT INSERT, UPDATE, DELETE ON ";
    let is_warning =
        |line: &str| line.starts_with("warning  provider main") && line.contains("may not write");
    assert!(found.text.lines().any(is_warning) && found.text.contains(grant_to_write), "{}", found.text);
    server.sql(grant);
    setup.doctor().require_ok("provider main");
    assert!(!setup.doctor().text.contains("may not read"));
}

#[cfg(unix)]
#[test]
fn an_interrupted_diagnosis_exits_with_130() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut setup = Setup::with_backup();
    let before = contents(&setup.path("backups"));
    setup.provider = format!("\"postgres://shop@127.0.0.1:{port}/shop\"");
    let mut command = setup.command(&["doctor", "--timeout", "5m"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the shop starts");
    let _connection = listener.accept().expect("the shop connects");
    let sent = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status();
    assert!(sent.is_ok_and(|status| status.success()), "the signal is sent");
    let output = child.wait_with_output().expect("the shop ends");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(contents(&setup.path("backups")), before, "the probe was removed");
}

#[test]
fn a_database_that_does_not_respond_is_found_within_the_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut setup = Setup::with_backup();
    setup.provider = format!("\"postgres://shop@127.0.0.1:{port}/shop\"");
    let found = Findings::of(&mut setup.command(&["doctor", "--timeout", "3s"]));
    found.require_problem("provider main", "did not respond within 3 seconds", "check the address");
    found.require_ok("configuration");
    drop(listener);
    setup.doctor().require_problem(
        "provider main",
        "failed",
        "check host, port, and that the server is running",
    );
}
