//! Tests two processes that use the same directory.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use koan_backup::prelude::*;
use koan_backup::{
    SetName,
    entity::EntityCodec,
    provider::{Provider, RestoreTarget, SessionOptions},
};

use super::fixture::{Book, JsonFixture};

/// The environment variable with the directory of the child process.
const FOLDER: &str = "KOAN_BACKUP_JSON_FOLDER";
/// The message of the child process after its session has written records.
const HOLDING: &str = "a session has written";

fn record(id: i64) -> koan_backup::entity::Record {
    let line = format!("{{\"id\":{id},\"title\":\"new\",\"pages\":0}}");
    EntityCodec::new(Book::descriptor()).decode(line.as_bytes()).expect("a record")
}

/// Runs in the child process. Writes records, prints a message, and keeps the session open until the process
/// is killed.
async fn hold(folder: PathBuf) {
    let provider = JsonFiles::lines(folder).expect("opened");
    let mut session = provider.begin_restore(&SessionOptions::default()).await.expect("begun");
    let target = RestoreTarget::new(EntityCodec::new(Book::descriptor()), SetName::root());
    let mut writer = session.begin(target).await.expect("a writer");
    writer.write((0..1_000).map(record).collect::<Vec<_>>().into()).await.expect("written");
    koan_backup_tests::random_seed::print_line(HOLDING);
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// Starts the child process, and waits until its session has written records.
fn other_process(fixture: &JsonFixture) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "processes::only_one_process_writes_at_a_time_and_a_killed_process_leaves_no_files",
            "--nocapture",
        ])
        .env(FOLDER, fixture.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test program starts");
    let output = BufReader::new(child.stdout.take().expect("standard output is piped"));
    let has_written = output.lines().map_while(Result::ok).any(|line| line.ends_with(HOLDING));
    assert!(has_written, "the child process ended before its session wrote records");
    child
}

/// Returns the number of staging folders of sessions.
fn staging_folder_count(fixture: &JsonFixture) -> usize {
    let hidden = std::fs::read_dir(fixture.path(".koan")).expect("listed");
    let names = hidden.map(|entry| entry.expect("an entry").file_name());
    names.filter(|name| name.to_string_lossy().starts_with("restore-")).count()
}

#[tokio::test]
async fn only_one_process_writes_at_a_time_and_a_killed_process_leaves_no_files() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return hold(folder.into()).await;
    }
    let fixture = JsonFixture::lines().await;
    fixture.put("Book/root.jsonl", "{\"id\":1,\"title\":\"old\",\"pages\":0}\n");
    let before = fixture.files();
    let mut child = other_process(&fixture);
    let provider =
        JsonFiles::lines(fixture.path("")).expect("opened").lock_timeout(Duration::from_millis(100));
    let error = provider
        .begin_restore(&SessionOptions::default())
        .await
        .expect_err("the child process holds the lock")
        .to_string();
    assert!(error.contains("writer.lock") && error.contains("lock_timeout"), "{error}");
    // The session of the child process does not block reads.
    let _ = fixture.backup().await.expect("a backup");
    assert_eq!(staging_folder_count(&fixture), 1);
    child.kill().expect("killed");
    child.wait().expect("the child ends");
    assert_eq!(fixture.files(), before);
    let session = provider.begin_restore(&SessionOptions::default()).await.expect("the child has ended");
    assert_eq!(staging_folder_count(&fixture), 1, "only the staging folder of the new session exists");
    session.rollback().await.expect("rolled back");
    assert_eq!(staging_folder_count(&fixture), 0);
}

#[tokio::test]
async fn a_restore_does_not_take_effect_while_documents_are_read() {
    let fixture = JsonFixture::documents().await;
    fixture.put("Book/1.json", "{\"id\":1,\"title\":\"old\"}");
    let provider =
        JsonFiles::documents(fixture.path("")).expect("opened").lock_timeout(Duration::from_millis(100));
    // This session creates the lock file.
    provider
        .begin_restore(&SessionOptions::default())
        .await
        .expect("begun")
        .rollback()
        .await
        .expect("rolled back");
    let before = fixture.files();
    let snapshot = provider.snapshot().await.expect("a snapshot");
    let write = async || {
        let mut session = provider.begin_restore(&SessionOptions::default()).await.expect("begun");
        let target = RestoreTarget::new(EntityCodec::new(Book::descriptor()), SetName::root());
        let mut writer = session.begin(target).await.expect("a writer");
        writer.write(vec![record(1)].into()).await.expect("written");
        writer.finish().await.expect("finished");
        session.commit().await
    };
    let error = write().await.expect_err("a snapshot is open").to_string();
    assert!(error.contains("commit.lock"), "{error}");
    assert_eq!(fixture.files(), before);
    assert_eq!(staging_folder_count(&fixture), 0);
    drop(snapshot);
    write().await.expect("committed");
    assert_ne!(fixture.files(), before);
}
