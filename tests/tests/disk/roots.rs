//! Verifies that a JSON database whose directory is missing or empty is not backed up as a database without
//! records.

use std::path::Path;

use koan_backup::JsonFiles;
use koan_backup::prelude::*;

/// Builds a context for a database of JSON documents or of JSON lines.
async fn koan(folder: &Path, documents: bool) -> Result<Koan, Error> {
    let data = folder.join("data");
    let files = if documents { JsonFiles::documents(data)? } else { JsonFiles::lines(data)? };
    Koan::builder()
        .state_directory(folder.join("state"))
        .provider(files)
        .storage(Storage::local(folder.join("backups"))?)
        .build()
        .await
}

/// Writes one record into the database.
fn fill(folder: &Path, documents: bool) {
    let name = if documents { "1.json" } else { "root.jsonl" };
    std::fs::create_dir_all(folder.join("data/Customer")).expect("created");
    std::fs::write(folder.join("data/Customer").join(name), "{\"id\":1,\"name\":\"Ada\"}\n")
        .expect("written");
}

#[tokio::test]
async fn a_directory_that_disappears_is_an_error_before_and_after_the_start() {
    for documents in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let (data, unmounted) = (folder.path().join("data"), folder.path().join("unmounted"));
        fill(folder.path(), documents);
        let context = koan(folder.path(), documents).await.expect("a context");
        assert_eq!(context.backup("nightly").await.expect("a backup").item_count(), 1);
        std::fs::rename(&data, &unmounted).expect("renamed");
        let error = context.backup("nightly").await.expect_err("the directory is missing");
        assert!(error.chain().contains("does not exist"), "{error:?}");
        let error = koan(folder.path(), documents).await.expect_err("the directory is missing");
        assert!(error.chain().contains("this machine has used it before"), "{error:?}");
        assert!(!data.exists(), "the missing directory was created");

        std::fs::create_dir(&data).expect("created");
        let error = context.backup("nightly").await.expect_err("the directory is empty");
        assert!(error.chain().contains("is empty, but was not"), "{error:?}");
        let later = koan(folder.path(), documents).await.expect("an empty directory can be a restore target");
        let error = later.backup("nightly").await.expect_err("the directory is empty");
        assert!(error.chain().contains("is empty, but was not"), "{error:?}");
        let _ = later.restore("nightly").await.expect("restored into an empty directory");
        assert_eq!(later.backup("nightly").await.expect("a backup").item_count(), 1);
    }
}

#[tokio::test]
async fn a_new_directory_is_created_and_a_directory_whose_records_were_removed_is_backed_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let context = koan(folder.path(), true).await.expect("a context");
    assert!(folder.path().join("data").is_dir());
    assert_eq!(context.backup("nightly").await.expect("a backup").item_count(), 0);
    fill(folder.path(), true);
    assert_eq!(context.backup("nightly").await.expect("a backup").item_count(), 1);
    std::fs::remove_file(folder.path().join("data/Customer/1.json")).expect("removed");
    let report = context.backup("nightly").await.expect("the directory of the entity still exists");
    assert_eq!(report.item_count(), 0);
    std::fs::remove_dir(folder.path().join("data/Customer")).expect("removed");
    let error =
        context.backup("nightly").await.expect_err("the directory looks like that of an unmounted disk");
    let chain = error.chain();
    let quoted = chain.split('`').find(|text| text.ends_with(".json"));
    let file = quoted.expect("the error contains the path of the file in the state directory");
    std::fs::remove_file(file).expect("removed");
    let _ = context.backup("nightly").await.expect("this machine no longer remembers the records");
}
