//! Extreme limits and selections: a timeout of zero, a timeout of a century, and selections that match
//! nothing.

use std::time::Duration;

use koan_backup::Memory;
use koan_backup::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Item {
    id: i64,
}

async fn koan() -> Koan {
    let builder =
        Koan::builder().only_registered().register::<Item>().named_provider("postgres", Memory::new());
    let koan = builder.storage(Storage::memory()).build().await.expect("a context");
    koan.data::<Item>().upsert_many([Item { id: 1 }, Item { id: 2 }]).await.expect("saved");
    koan
}

#[tokio::test]
async fn a_timeout_of_zero_fails_and_a_timeout_of_a_century_or_more_has_no_effect() {
    let koan = koan().await;
    let error = koan.backup("nightly").timeout(Duration::ZERO).await.expect_err("the timeout is zero");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    for timeout in [Duration::from_secs(3_155_760_000), Duration::from_secs(u64::MAX), Duration::MAX] {
        let _ = koan.backup("nightly").timeout(timeout).await.expect("a backup");
        let _ = koan.restore("nightly").timeout(timeout).await.expect("restored");
    }
    let error = koan.restore("nightly").timeout(Duration::ZERO).await.expect_err("the timeout is zero");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
}

#[tokio::test]
async fn a_selection_that_matches_nothing_is_refused() {
    let koan = koan().await;
    let _ = koan.backup("nightly").await.expect("a backup");
    for error in [
        koan.backup("nightly").providers(["mysql"]).await.expect_err("no such provider"),
        koan.backup("nightly").exclude_providers(["postgres"]).await.expect_err("no entity is selected"),
        koan.backup("nightly").filter(|_| false).await.expect_err("no entity is selected"),
        koan.restore("nightly").providers(["mysql"]).await.expect_err("no such provider"),
        koan.restore("nightly").exclude_providers(["memory"]).await.expect_err("no entity is selected"),
    ] {
        assert!([ErrorKind::NotFound, ErrorKind::Configuration].contains(&error.kind()), "{error:?}");
    }
    // A selection matches a provider by its name or its kind, even if the name is also the kind of other
    // providers.
    let _ =
        koan.backup("nightly").providers(["postgres"]).await.expect("the provider is selected by its name");
    let _ = koan.backup("nightly").providers(["memory"]).await.expect("the provider is selected by its kind");
    let error = koan.restore("latest").set("absent").await.expect_err("no such set");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
}

#[tokio::test]
async fn extreme_batch_sizes_and_concurrency_limits_are_refused_or_have_no_effect() {
    let koan = koan().await;
    for (size, readers) in [(0, 0), (1, 1), (usize::MAX, usize::MAX)] {
        let backup = koan.backup("nightly").batch_size(size).max_concurrency(readers).await;
        match backup {
            Ok(backup) => assert_eq!(backup.manifest().entities[0].item_count, 2),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Configuration, "{size} {readers}: {error:?}"),
        }
        let _ = koan.backup("whole").await.expect("a backup");
        match koan.restore("whole").batch_size(size).max_concurrency(readers).await {
            Ok(report) => assert_eq!(report.record_count(), 2),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Configuration, "{size} {readers}: {error:?}"),
        }
    }
}
