//! Databases that cannot be read.

use std::net::TcpListener;

use koan_backup_tests::postgres::Server;

use super::setup::{Findings, Setup};

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
