//! A restore that was committed and cut short is finished by whoever comes next.

use std::fs;

use koan_backup::prelude::*;
use koan_backup::{
    ErrorKind,
    provider::{Provider, SessionOptions},
};

use super::fixture::{Shelf, context};

/// What a commit leaves that dies right after its journal was written.
fn cut_short(shelf: &Shelf) {
    shelf.put("Book/1.json", "{\"id\":1,\"title\":\"old\"}");
    shelf.put("Book/2.json", "{\"id\":2,\"title\":\"goes\"}");
    shelf.put(".koan/writer.lock", "");
    shelf.put(".koan/commit.lock", "");
    shelf.put(".koan/restore-1/0", "{\"id\":1,\"title\":\"new\"}\n");
    shelf.put(".koan/restore-1/1", "{\"id\":3,\"title\":\"new\"}\n");
    shelf.put(
        ".koan/commit.json",
        "{\"version\":1,\"staging\":\"restore-1\",\"renames\":[{\"from\":\"0\",\"to\":\"Book/1.json\",\"length\":23},{\"from\":\"1\",\"to\":\"Book/#old/3.json\",\"length\":23}],\"removals\":[\"Book/2.json\"]}",
    );
}

fn assert_finished(shelf: &Shelf) {
    assert_eq!(shelf.files().keys().collect::<Vec<_>>(), ["Book/#old/3.json", "Book/1.json"]);
    assert_eq!(shelf.text("Book/1.json"), "{\"id\":1,\"title\":\"new\"}\n");
    assert!(!shelf.path(".koan/commit.json").exists() && !shelf.path(".koan/restore-1").exists());
}

#[tokio::test]
async fn a_journal_is_finished_at_opening_before_a_snapshot_and_before_a_session() {
    let shelf = Shelf::documents().await;
    cut_short(&shelf);
    let provider = JsonFiles::documents(shelf.path("")).expect("opened");
    assert_finished(&shelf);

    let again = |shelf: &Shelf| {
        fs::remove_dir_all(shelf.path("Book")).expect("removed");
        cut_short(shelf);
    };
    again(&shelf);
    drop(provider.snapshot().await.expect("a snapshot"));
    assert_finished(&shelf);
    again(&shelf);
    drop(provider.begin_restore(&SessionOptions::default()).await.expect("begun"));
    assert_finished(&shelf);
    again(&shelf);
    drop(provider.describe(&[]).await.expect("described"));
    assert_finished(&shelf);
}

#[tokio::test]
async fn a_backup_after_a_restore_that_was_cut_short_holds_what_was_restored() {
    let shelf = Shelf::documents().await;
    cut_short(&shelf);
    let folder = shelf.path("").parent().expect("a folder").to_owned();
    let koan = context(JsonFiles::documents(shelf.path("")).expect("opened"), &folder).await;
    assert_eq!(koan.backup("later").await.expect("a backup").item_count(), 2);
}

#[tokio::test]
async fn a_journal_that_cannot_be_believed_is_refused_by_name() {
    let shelf = Shelf::documents().await;
    let journal = |staging: &str, from: &str, to: &str, removal: &str| {
        format!(
            "{{\"version\":1,\"staging\":\"{staging}\",\"renames\":[{{\"from\":\"{from}\",\"to\":\"{to}\",\"length\":1}}],\"removals\":[\"{removal}\"]}}"
        )
    };
    shelf.put(".koan/commit.lock", "");
    shelf.put("../outside", "x");
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
        shelf.put(".koan/commit.json", &broken);
        let error = JsonFiles::documents(shelf.path("")).expect_err(&broken);
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        assert!(error.to_string().contains("commit.json"), "{error}");
    }
    // The new file is nowhere: neither staged nor in its place.
    shelf.put(".koan/commit.json", journal("restore-1", "0", "Book/1.json", "Book/2.json"));
    let error = JsonFiles::documents(shelf.path("")).expect_err("a file is missing").chain();
    assert!(error.contains("Book/1.json") && error.contains("finished"), "{error}");
    assert_eq!(shelf.text("../outside"), "x");
}
