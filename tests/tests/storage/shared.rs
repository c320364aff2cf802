//! Documents that several processes share in a profile, in each kind of store.

use koan_backup::prelude::*;
use koan_backup::storage::Creation;
use koan_backup_tests::archive_surgery::Vault;
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::stores::{Azurite, Moto, MotoBackedGoogle};

use crate::fixture::{TestStore, backup, koan, shop};

/// Two processes contend for a document, and use it.
async fn check(mut store: TestStore) {
    let first = koan(shop(0), [("store", store.storage("shop"))]).await;
    let second = koan(shop(0), [("store", store.storage("shop"))]).await;
    let (mine, theirs) = (
        first.shared_folder("operations").expect("a name"),
        second.shared_folder("operations").expect("a name"),
    );
    assert_eq!(mine.get("a/7.json").await.expect("read"), None);
    assert_eq!(mine.list("").await.expect("listed"), []);
    for number in 0..8 {
        let path = format!("a/{number}.json");
        let created = tokio::join!(mine.create(&path, "mine"), theirs.create(&path, "theirs"));
        let created = (created.0.expect("an answer"), created.1.expect("an answer"));
        let content = mine.get(&path).await.expect("read").expect("a document");
        match created {
            (Creation::Created, Creation::AlreadyExists) => assert_eq!(content, b"mine"),
            (Creation::AlreadyExists, Creation::Created) => assert_eq!(content, b"theirs"),
            other => panic!("one of the processes creates the document: {other:?}"),
        }
    }
    assert_eq!(mine.create("a/0.json", "again").await.expect("an answer"), Creation::AlreadyExists);
    mine.put("b/c.d_e.json", "first").await.expect("written");
    theirs.put("b/c.d_e.json", "second").await.expect("replaced");
    assert_eq!(mine.get("b/c.d_e.json").await.expect("read").as_deref(), Some(&b"second"[..]));
    let paths = |listed: Vec<koan_backup::storage::SharedDocument>| {
        listed.into_iter().map(|document| document.path).collect::<Vec<_>>()
    };
    assert_eq!(paths(theirs.list("b").await.expect("listed")), ["b/c.d_e.json"]);
    assert_eq!(theirs.list("").await.expect("listed").len(), 9);
    let listed = theirs.list("a").await.expect("listed");
    assert!(listed.iter().all(|document| document.modified_at.as_second() > 1_700_000_000), "{listed:?}");
    assert!(listed.iter().all(|document| document.size_bytes == 4 || document.size_bytes == 6), "{listed:?}");
    // Backups and maintenance do not touch the documents, and a document is no backup.
    backup(&first, "nightly").await.expect("a backup");
    let report = first.maintenance().await.expect("maintained");
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(theirs.list("").await.expect("listed").len(), 9);
    assert!(first.catalog().recover().await.expect("recovered").archives.is_empty());
    theirs.delete("a/0.json").await.expect("removed");
    theirs.delete("a/0.json").await.expect("a document that does not exist is removed");
    assert_eq!(mine.get("a/0.json").await.expect("read"), None);
    assert_eq!(mine.create("a/0.json", "again").await.expect("an answer"), Creation::Created);
    let other = first.shared_folder("others").expect("a name");
    assert_eq!(other.list("").await.expect("listed"), [], "another folder has other documents");
}

#[tokio::test]
async fn a_directory_shares_documents() {
    check(TestStore::Directory(tempfile::tempdir().expect("a directory"))).await;
}

#[tokio::test]
async fn memory_shares_documents() {
    check(TestStore::Memory(Vec::new())).await;
}

#[tokio::test]
async fn s3_shares_documents() {
    check(TestStore::Moto(Moto::start())).await;
}

#[tokio::test]
async fn azure_shares_documents() {
    check(TestStore::Azurite(Azurite::start())).await;
}

#[tokio::test]
async fn google_shares_documents() {
    check(TestStore::Google(MotoBackedGoogle::start())).await;
}

#[tokio::test]
async fn invalid_paths_and_large_documents_are_refused() {
    let koan = koan(shop(0), [("store", Storage::memory())]).await;
    assert_eq!(koan.shared_folder("../leases").expect_err("refused").kind(), ErrorKind::InvalidName);
    let folder = koan.shared_folder("operations").expect("a name");
    for path in ["../leases/a", "/a", "a//b", "A", ""] {
        assert_eq!(
            folder.put(path, "x").await.expect_err("refused").kind(),
            ErrorKind::InvalidName,
            "{path}"
        );
        assert_eq!(
            folder.create(path, "x").await.expect_err("refused").kind(),
            ErrorKind::InvalidName,
            "{path}"
        );
        assert_eq!(folder.get(path).await.expect_err("refused").kind(), ErrorKind::InvalidName, "{path}");
        assert_eq!(folder.delete(path).await.expect_err("refused").kind(), ErrorKind::InvalidName, "{path}");
    }
    let error = folder.put("a", vec![0; (1 << 20) + 1]).await.expect_err("the document is too large");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    folder.put("a", vec![0; 1 << 20]).await.expect("the largest document");
}

#[tokio::test]
async fn a_document_whose_response_was_lost_is_created_once() {
    let vault = Vault::default();
    let store = FaultyStore::over(vault.store());
    let koan = koan(shop(0), [("store", store.storage())]).await;
    let folder = koan.shared_folder("operations").expect("a name");
    folder.put("mark", "").await.expect("the profile has a mark");
    store.fail([Fault::once(Operation::Put, "shared/", Failure::ResponseLost)]);
    assert_eq!(folder.create("a", "token 1").await.expect("an answer"), Creation::Created);
    assert_eq!(folder.create("a", "token 2").await.expect("an answer"), Creation::AlreadyExists);
    store.fail([Fault::always(Operation::Put, "shared/", Failure::Broken)]);
    assert_eq!(folder.create("b", "token 3").await.expect_err("the store fails").kind(), ErrorKind::Storage);
    store.fail([Fault::always(Operation::Delete, "shared/", Failure::IgnoredSilently)]);
    let error = folder.delete("a").await.expect_err("the removal did not happen");
    assert!(error.to_string().contains("still exists"), "{error}");
}

#[tokio::test]
async fn a_profile_that_disappeared_has_no_empty_shared_folder() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("backups");
    let koan = koan(shop(0), [("store", Storage::local(&path).expect("a directory"))]).await;
    let folder = koan.shared_folder("operations").expect("a name");
    folder.put("a", "x").await.expect("written");
    std::fs::remove_dir_all(&path).expect("removed");
    std::fs::create_dir(&path).expect("created");
    for error in [
        folder.list("").await.expect_err("the disk is not mounted"),
        folder.get("a").await.expect_err("the disk is not mounted"),
        folder.put("a", "x").await.expect_err("the disk is not mounted"),
        folder.create("b", "x").await.map(drop).expect_err("the disk is not mounted"),
        folder.delete("a").await.expect_err("the disk is not mounted"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
    }
    assert_eq!(std::fs::read_dir(&path).expect("a directory").count(), 0, "nothing was written");
}

#[tokio::test]
async fn maintenance_removes_the_temporary_files_of_killed_writers_and_no_document() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("backups");
    let koan = koan(shop(0), [("store", Storage::local(&path).expect("a directory"))]).await;
    let folder = koan.shared_folder("operations").expect("a name");
    folder.put("a/7f3a.json", "x").await.expect("written");
    let temporary = path.join("shared/operations/a/7f3a.json#1");
    std::fs::write(&temporary, "half of it").expect("written");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7 * 86_400);
    for file in [&temporary, &path.join("shared/operations/a/7f3a.json")] {
        std::fs::File::options().write(true).open(file).expect("opened").set_modified(old).expect("set");
    }
    let report = koan.maintenance().await.expect("maintained");
    assert!(report.is_clean(), "{report:?}");
    assert!(!temporary.exists(), "the temporary file remains");
    assert_eq!(folder.get("a/7f3a.json").await.expect("read").as_deref(), Some(&b"x"[..]));
}
