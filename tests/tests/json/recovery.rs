//! Tests that the next use of a directory finishes a committed restore that was interrupted.

use std::fs;

use koan_backup::prelude::*;
use koan_backup::{
    ErrorKind,
    provider::{Provider, SessionOptions},
};

use super::fixture::{JsonFixture, context};

/// Creates the state of a commit that was interrupted right after its journal was written.
fn interrupt_commit(fixture: &JsonFixture) {
    fixture.put("Book/1.json", "{\"id\":1,\"title\":\"old\"}");
    fixture.put("Book/2.json", "{\"id\":2,\"title\":\"removed\"}");
    fixture.put(".koan/writer.lock", "");
    fixture.put(".koan/commit.lock", "");
    fixture.put(".koan/restore-1/0", "{\"id\":1,\"title\":\"new\"}\n");
    fixture.put(".koan/restore-1/1", "{\"id\":3,\"title\":\"new\"}\n");
    fixture.put(
        ".koan/commit.json",
        "{\"version\":1,\"staging\":\"restore-1\",\"renames\":[\
         {\"from\":\"0\",\"to\":\"Book/1.json\",\"length\":23},\
         {\"from\":\"1\",\"to\":\"Book/#old/3.json\",\"length\":23}],\"removals\":[\"Book/2.json\"]}",
    );
}

/// Checks that the restore was finished from the journal.
fn assert_finished(fixture: &JsonFixture) {
    assert_eq!(fixture.files().keys().collect::<Vec<_>>(), ["Book/#old/3.json", "Book/1.json"]);
    assert_eq!(fixture.text("Book/1.json"), "{\"id\":1,\"title\":\"new\"}\n");
    assert!(!fixture.path(".koan/commit.json").exists() && !fixture.path(".koan/restore-1").exists());
}

#[tokio::test]
async fn an_interrupted_restore_is_finished_at_opening_and_before_a_snapshot_or_session() {
    let fixture = JsonFixture::documents().await;
    interrupt_commit(&fixture);
    let provider = JsonFiles::documents(fixture.path("")).expect("opened");
    assert_finished(&fixture);

    let reset = |fixture: &JsonFixture| {
        fs::remove_dir_all(fixture.path("Book")).expect("removed");
        interrupt_commit(fixture);
    };
    reset(&fixture);
    drop(provider.snapshot().await.expect("a snapshot"));
    assert_finished(&fixture);
    reset(&fixture);
    drop(provider.begin_restore(&SessionOptions::default()).await.expect("begun"));
    assert_finished(&fixture);
    reset(&fixture);
    drop(provider.describe(&[]).await.expect("described"));
    assert_finished(&fixture);
}

#[tokio::test]
async fn a_backup_after_an_interrupted_restore_contains_the_restored_records() {
    let fixture = JsonFixture::documents().await;
    interrupt_commit(&fixture);
    let folder = fixture.path("").parent().expect("a folder").to_owned();
    let koan = context(JsonFiles::documents(fixture.path("")).expect("opened"), &folder).await;
    assert_eq!(koan.backup("later").await.expect("a backup").item_count(), 2);
}

#[tokio::test]
async fn an_invalid_journal_is_refused_with_its_path() {
    let fixture = JsonFixture::documents().await;
    let journal = |staging: &str, from: &str, to: &str, removal: &str| {
        format!(
            "{{\"version\":1,\"staging\":\"{staging}\",\"renames\":[\
             {{\"from\":\"{from}\",\"to\":\"{to}\",\"length\":1}}],\"removals\":[\"{removal}\"]}}"
        )
    };
    fixture.put(".koan/commit.lock", "");
    fixture.put("../outside", "x");
    for broken in [
        String::new(),
        "{}".to_owned(),
        "{\"version\":2,\"staging\":\"restore-1\",\"renames\":[],\"removals\":[]}".to_owned(),
        journal("../restore-1", "0", "Book/1.json", "Book/2.json"),
        journal("restore-1", "../0", "Book/1.json", "Book/2.json"),
        journal("restore-1", "0", "../1.json", "Book/2.json"),
        journal("restore-1", "0", "/tmp/1.json", "Book/2.json"),
        journal("restore-1", "0", "Book/1.json", "../outside"),
        journal("restore-1", "0", "Book/1.json", ".koan/writer.lock"),
    ] {
        fixture.put(".koan/commit.json", &broken);
        let error = JsonFiles::documents(fixture.path("")).expect_err(&broken);
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        assert!(error.to_string().contains("commit.json"), "{error}");
    }
    // The new file is lost: it is neither in the staging folder nor at its final path.
    fixture.put(".koan/commit.json", journal("restore-1", "0", "Book/1.json", "Book/2.json"));
    let error = JsonFiles::documents(fixture.path("")).expect_err("a file is missing").chain();
    assert!(error.contains("Book/1.json") && error.contains("completed"), "{error}");
    assert_eq!(fixture.text("../outside"), "x");
}
