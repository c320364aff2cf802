//! Two processes in one directory.

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

use super::shelf::{Book, Shelf};

const FOLDER: &str = "KOAN_BACKUP_JSON_FOLDER";
const HOLDING: &str = "a session has written";

fn record(id: i64) -> koan_backup::entity::Record {
    let line = format!("{{\"id\":{id},\"title\":\"new\",\"pages\":0}}");
    EntityCodec::new(Book::descriptor()).decode(line.as_bytes()).expect("a record")
}

/// In the other process: writes, says so, and lives on with its session until it is killed.
async fn hold(folder: PathBuf) {
    let provider = JsonFiles::lines(folder).expect("opened");
    let mut session = provider.begin_restore(&SessionOptions::default()).await.expect("begun");
    let target = RestoreTarget::new(EntityCodec::new(Book::descriptor()), SetName::root());
    let mut writer = session.begin(target).await.expect("a writer");
    writer.write((0..1_000).map(record).collect::<Vec<_>>().into()).await.expect("written");
    koan_backup_tests::chance::say(HOLDING);
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn other_process(shelf: &Shelf) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "processes::one_process_writes_at_a_time_and_a_dead_one_leaves_nothing",
            "--nocapture",
        ])
        .env(FOLDER, shelf.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let said = output.lines().map_while(Result::ok).any(|line| line.ends_with(HOLDING));
    assert!(said, "the process did not begin");
    child
}

fn staged(shelf: &Shelf) -> usize {
    let hidden = std::fs::read_dir(shelf.path(".koan")).expect("listed");
    let names = hidden.map(|entry| entry.expect("an entry").file_name());
    names.filter(|name| name.to_string_lossy().starts_with("restore-")).count()
}

#[tokio::test]
async fn one_process_writes_at_a_time_and_a_dead_one_leaves_nothing() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return hold(folder.into()).await;
    }
    let shelf = Shelf::lines().await;
    shelf.put("Book/root.jsonl", "{\"id\":1,\"title\":\"old\",\"pages\":0}\n");
    let before = shelf.files();
    let mut child = other_process(&shelf);
    let provider = JsonFiles::lines(shelf.path("")).expect("opened").lock_timeout(Duration::from_millis(100));
    let error =
        provider.begin_restore(&SessionOptions::default()).await.expect_err("another writes").to_string();
    assert!(error.contains("writer.lock") && error.contains("lock_timeout"), "{error}");
    // Reading goes on.
    shelf.backup().await.expect("a backup");
    assert_eq!(staged(&shelf), 1);
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert_eq!(shelf.files(), before);
    let session = provider.begin_restore(&SessionOptions::default()).await.expect("the other is gone");
    assert_eq!(staged(&shelf), 1, "that of the dead session is gone");
    session.rollback().await.expect("rolled back");
    assert_eq!(staged(&shelf), 0);
}

#[tokio::test]
async fn a_restore_does_not_take_effect_while_documents_are_read() {
    let shelf = Shelf::documents().await;
    shelf.put("Book/1.json", "{\"id\":1,\"title\":\"old\"}");
    let provider =
        JsonFiles::documents(shelf.path("")).expect("opened").lock_timeout(Duration::from_millis(100));
    // So that there is a lock.
    provider
        .begin_restore(&SessionOptions::default())
        .await
        .expect("begun")
        .rollback()
        .await
        .expect("rolled back");
    let before = shelf.files();
    let snapshot = provider.snapshot().await.expect("a snapshot");
    let write = async || {
        let mut session = provider.begin_restore(&SessionOptions::default()).await.expect("begun");
        let target = RestoreTarget::new(EntityCodec::new(Book::descriptor()), SetName::root());
        let mut writer = session.begin(target).await.expect("a writer");
        writer.write(vec![record(1)].into()).await.expect("written");
        writer.finish().await.expect("finished");
        session.commit().await
    };
    let error = write().await.expect_err("it is read").to_string();
    assert!(error.contains("commit.lock"), "{error}");
    assert_eq!(shelf.files(), before);
    assert_eq!(staged(&shelf), 0);
    drop(snapshot);
    write().await.expect("committed");
    assert_ne!(shelf.files(), before);
}
