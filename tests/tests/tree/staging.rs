//! The staging directory of a restore, in a process with a directory of its own for temporary files.

use std::fs;
use std::future::IntoFuture as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use koan_backup::prelude::*;
use koan_backup::{CancellationToken, Event};
use koan_backup_tests::test_process::run_test;

use crate::shop::{SECRET, Shop, contains, files, names};

/// The environment variable with the directory for temporary files.
const TEMPORARY: &str = "KOAN_BACKUP_TREE_TEMPORARY";
/// The beginning of the names of staging directories.
const PREFIX: &str = "koan-backup-staging-";

/// Returns the files in the staging directories.
fn staged_files(temporary: &Path) -> Vec<(String, Vec<u8>)> {
    let staging = names(temporary).into_iter().map(|name| temporary.join(name));
    let is_staging = |path: &PathBuf| {
        path.is_dir() && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
    };
    staging.filter(is_staging).flat_map(|path| files(&path)).collect()
}

/// The restores of a process with a directory of its own for temporary files. It does nothing in a normal run of the
/// suite.
#[tokio::test]
async fn restores_in_a_process_with_a_temporary_directory() {
    let Some(temporary) = std::env::var_os(TEMPORARY) else { return };
    let shop = Shop::new(5000);
    let koan = shop.koan().await;
    let _ = shop.backup(&koan).await;
    let temporary = PathBuf::from(temporary);
    let staged = || names(&temporary).iter().any(|name| name.starts_with(PREFIX));
    assert!(!staged());
    let restore = || koan.restore_directory(shop.tree()).at("latest").replace_existing();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (recorded, watched) = (Arc::clone(&seen), temporary.clone());
    let restored = restore().on_event(move |event| {
        if matches!(event, Event::RestorePrepared { .. }) {
            recorded.lock().expect("a lock").extend(staged_files(&watched));
        }
    });
    assert_eq!(restored.await.expect("restored").record_count(), 5002);
    let seen = seen.lock().expect("a lock").clone();
    assert!(seen.iter().any(|(name, _)| name.contains("archives/")), "the restore has a staged archive");
    for (name, content) in seen {
        assert!(!contains(&content, SECRET) && !contains(&content, "Customer 1"), "{name}");
        assert!(!name.contains("archives/") || content.starts_with(b"age-encryption.org/v1\n"), "{name}");
    }
    assert!(!staged(), "the staging directory is removed after a restore");
    let token = CancellationToken::new();
    let cancel = token.clone();
    let cancelled = restore().cancel_on(token).on_event(move |event| {
        if matches!(event, Event::BatchRestored { .. }) {
            cancel.cancel();
        }
    });
    assert_eq!(cancelled.await.expect_err("cancelled").kind(), ErrorKind::Cancelled);
    assert!(!staged(), "the staging directory is removed after a cancellation");
    assert!(restore().viability().await.expect("assessed").is_viable());
    assert!(!staged(), "the staging directory is removed after a viability check");
    let path = shop.directory("Customer").join("data.json");
    let content = fs::read(&path).expect("a file");
    fs::write(&path, &content[..content.len() - 1]).expect("written");
    let error = restore().await.expect_err("the file is truncated");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(!staged(), "the staging directory is removed after an error");
    fs::write(&path, &content).expect("written");
    let dropped = restore().on_event(|_| {}).into_future();
    let mut dropped = Box::pin(dropped);
    while !staged() {
        let polled = futures::poll!(&mut dropped);
        assert!(polled.is_pending(), "the restore is still running");
        tokio::task::yield_now().await;
    }
    drop(dropped);
    koan_backup_tests::wait::until_sync("the staging directory is removed", || !staged()).await;
}

#[test]
fn a_restore_removes_its_staging_directory_in_each_case() {
    let temporary = tempfile::tempdir().expect("a directory");
    let output = run_test("staging::restores_in_a_process_with_a_temporary_directory", |command| {
        command.env(TEMPORARY, temporary.path()).env("TMPDIR", temporary.path());
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
