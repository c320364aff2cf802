//! What a person does on the web page, in a real browser. The steps are in the scripts beside this file.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use koan_backup_http_tests::{ADMIN, OPERATOR, Server, VIEWER, create_tables, event_store, with_streams};
use koan_backup_tests::not_run::not_run;
use rusqlite::Connection;
use tokio::process::Command;

type TestResult = Result<(), Box<dyn Error>>;

/// The number of users and orders.
const RECORDS: i64 = 60_000;
/// A number of users and orders whose backup lasts until a browser has connected to its events.
const MANY_RECORDS: i64 = 400_000;

/// Returns the folder of the Node packages, or reports that the test does not run.
fn packages() -> Option<PathBuf> {
    let configured = std::env::var_os("KOAN_TEST_BROWSER").map(PathBuf::from);
    let folder = configured.unwrap_or_else(|| "/opt/koan-backup-test/browser".into()).join("node_modules");
    if folder.join("playwright-core").is_dir() {
        return Some(folder);
    }
    not_run("the tests of the web page need playwright-core and axe-core, which tests/setup installs");
    None
}

/// Runs a script with a server of its own, and fails with what the script says.
async fn run(script: &str, arguments: &[&str], records: i64) -> TestResult {
    let Some(packages) = packages() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let database = Connection::open(folder.path().join("shop.db"))?;
    create_tables(&database, records)?;
    // Nobody has declared an entity for this table.
    database.execute_batch("CREATE TABLE drafts (id INTEGER PRIMARY KEY, text TEXT)")?;
    let store = event_store()?;
    // The other scripts type the name of the only database.
    let has_streams = script == "screens.cjs";
    let configure = |builder| match has_streams {
        true => with_streams(builder, &store).expect("the key is valid"),
        false => builder,
    };
    let server = Server::open(folder.path(), |options| options, configure).await?;
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let screenshots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&screenshots)?;
    let output = Command::new("node")
        .arg(scripts.join(script))
        .args(arguments)
        .env("NODE_PATH", packages)
        .env("PAGE_URL", &server.url)
        .env("TOKEN_VIEWER", VIEWER)
        .env("TOKEN_OPERATOR", OPERATOR)
        .env("TOKEN_ADMIN", ADMIN)
        .env("DATABASE", folder.path().join("shop.db"))
        .env("SCREENSHOTS", &screenshots)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} {arguments:?}:\n{text}");
    assert!(text.contains("all steps done"), "the script ended early:\n{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_a_gap_backs_up_watches_and_restores_a_damaged_row() -> TestResult {
    run("person.cjs", &["with-javascript"], RECORDS).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_javascript_does_the_same() -> TestResult {
    run("person.cjs", &["without-javascript"], RECORDS).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_screen_is_accessible_at_two_widths_in_light_and_dark() -> TestResult {
    run("screens.cjs", &[], RECORDS).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_shown_and_the_page_recovers() -> TestResult {
    run("connection.cjs", &[], MANY_RECORDS).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_do_not_affect_each_other_and_going_back_keeps_the_choices() -> TestResult {
    run("tabs.cjs", &[], RECORDS).await
}
