//! Tests that the stored bytes of an archive can be read in ranges, and that their backup is protected meanwhile.

use std::ops::Range;
use std::time::Duration;

use futures::TryStreamExt as _;
use koan_backup::prelude::*;
use koan_backup::report::StoredArchive;
use koan_backup::{ArchiveEncryption, Recipients};
use koan_backup_tests::archive_surgery::Vault;
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};

use super::shop::{NAME, Shared, builder, wait_until};

/// Reads a range, and returns its chunks.
async fn chunks(archive: &StoredArchive, range: Range<u64>) -> Result<Vec<bytes::Bytes>, Error> {
    archive.read(range).try_collect().await
}

#[tokio::test]
async fn the_bytes_of_an_archive_are_read_in_any_range_without_a_key() {
    let vault = Vault::default();
    let storage = vault.storage().archive_encryption(ArchiveEncryption::Always);
    let key = age::x25519::Identity::generate().to_public().to_string();
    let koan = builder("shop", storage, Duration::ZERO).encrypt_to(Recipients::key(key).expect("a key"));
    let koan = koan.build().await.expect("a context");
    let id = koan.backup(NAME).await.expect("a backup").id();
    let stored = vault.stored(id).await.archive;
    let archive = koan.archive(NAME).from_profile("shared").await.expect("opened");
    assert_eq!(archive.id(), id);
    assert_eq!(archive.size_bytes(), u64::try_from(stored.len()).expect("small"));
    assert_eq!(Some(archive.sha256()), archive.manifest().archive.as_ref().map(|file| file.sha256.as_str()));
    assert!(archive.file_name().ends_with(".zip.age") && !archive.file_name().contains('/'));
    let size = archive.size_bytes();
    for range in [0..size, 0..0, 7..8, size - 3..size, size..size] {
        let read = chunks(&archive, range.clone()).await.expect("read").concat();
        let expected =
            usize::try_from(range.start).expect("small")..usize::try_from(range.end).expect("small");
        assert_eq!(read, stored[expected], "{range:?}");
    }
    for range in [0..size + 1, size + 1..size + 1, Range { start: 2, end: 1 }] {
        let error = chunks(&archive, range.clone()).await.expect_err("the range is not within the file");
        assert_eq!(error.kind(), ErrorKind::Configuration, "{range:?}");
    }
}

#[tokio::test]
async fn a_download_reads_one_chunk_at_a_time() {
    let vault = Vault::default();
    let store = FaultyStore::over(vault.store());
    let koan = builder("shop", store.storage(), Duration::ZERO).build().await.expect("a context");
    let id = koan.backup(NAME).await.expect("a backup").id();
    // The archive is replaced by a larger file, together with the size and the hash in its manifest.
    let stored = vault.stored(id).await;
    let content: Vec<u8> = (0..4_000_000_u32).map(|byte| byte.to_le_bytes()[0]).collect();
    let mut manifest: serde_json::Value = serde_json::from_slice(&stored.manifest).expect("JSON");
    manifest["archive"]["sizeBytes"] = 4_000_000.into();
    manifest["archive"]["sha256"] = koan_backup_tests::archive_surgery::sha256(&content).into();
    vault.write(&stored.archive_path, &content).await;
    vault.write(&stored.manifest_path, manifest.to_string().as_bytes()).await;
    let archive = koan.archive(id).await.expect("opened");
    let before = store.call_count(Operation::Get, "archives/");
    let mut stream = Box::pin(archive.read(0..archive.size_bytes()));
    let first = stream.try_next().await.expect("read").expect("a chunk");
    assert!(first.len() < 2_000_000, "a chunk of {} bytes", first.len());
    assert_eq!(store.call_count(Operation::Get, "archives/"), before + 1, "only one chunk is read");
    let mut read = first.to_vec();
    while let Some(chunk) = stream.try_next().await.expect("read") {
        assert!(chunk.len() < 2_000_000, "a chunk of {} bytes", chunk.len());
        read.extend_from_slice(&chunk);
    }
    assert!(read == content, "the content differs");
}

#[tokio::test]
async fn a_file_that_differs_from_its_manifest_is_not_delivered_completely() {
    let vault = Vault::default();
    let koan = builder("shop", vault.storage(), Duration::ZERO).build().await.expect("a context");
    let id = koan.backup(NAME).await.expect("a backup").id();
    let stored = vault.stored(id).await;
    for size in [stored.archive.len() - 1, 0] {
        vault.write(&stored.archive_path, &stored.archive[..size]).await;
        let error = koan.archive(id).await.expect_err("the file has another size");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(&format!("its size is {size} bytes")), "{error}");
    }
    assert!(
        !vault.files().await.iter().any(|file| file.starts_with("leases/restore")),
        "the lease is released"
    );
    let mut changed = stored.archive.clone();
    changed[40] ^= 1;
    vault.write(&stored.archive_path, &changed).await;
    let archive = koan.archive(id).await.expect("the size is the same");
    let error = chunks(&archive, 0..archive.size_bytes()).await.expect_err("a byte was changed");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("another hash"), "{error}");
    vault.remove(&stored.archive_path).await;
    assert_eq!(koan.archive(id).await.expect_err("the file is missing").kind(), ErrorKind::Corrupt);
    let error = koan.archive("weekly").await.expect_err("there is no such backup");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_backup_is_not_removed_while_its_archive_is_read() {
    let shared = Shared::new();
    let koan = shared.koan("shop", Duration::ZERO).await;
    let id = koan.backup(NAME).await.expect("a backup").id();
    let _ = koan.backup(NAME).await.expect("a newer backup");
    let archive = koan.archive(id).await.expect("opened");
    let mut stream = Box::pin(archive.read(0..archive.size_bytes()));
    drop(archive);
    let error = koan.delete(id).await.expect_err("a stream protects the backup");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(stream.try_next().await.expect("read").is_some());
    drop(stream);
    wait_until(async || shared.leases(&format!("restore/{id}")).is_empty()).await;
    let _ = koan.delete(id).await.expect("nothing protects the backup");
}

#[tokio::test]
async fn an_archive_in_a_storage_that_cannot_be_written_is_read_without_a_lease() {
    let store = FaultyStore::over(Vault::default().store());
    let koan = builder("shop", store.storage(), Duration::ZERO).build().await.expect("a context");
    let _ = koan.backup(NAME).await.expect("a backup");
    store.fail([Fault::always(Operation::Put, "", Failure::Forbidden)]);
    let archive = koan.archive(NAME).await.expect("opened");
    let read = chunks(&archive, 0..archive.size_bytes()).await.expect("read").concat();
    assert_eq!(u64::try_from(read.len()), Ok(archive.size_bytes()));
}

#[tokio::test]
async fn a_cancelled_download_ends_with_an_error() {
    let shared = Shared::new();
    let koan = shared.koan("shop", Duration::ZERO).await;
    let _ = koan.backup(NAME).await.expect("a backup");
    let token = koan_backup::CancellationToken::new();
    let archive = koan.archive(NAME).cancel_on(token.clone()).await.expect("opened");
    token.cancel();
    let error = chunks(&archive, 0..archive.size_bytes()).await.expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}
