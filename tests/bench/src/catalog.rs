//! Measures how long it takes to find backups among many, on a disk and in a slow store.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use koan_backup::prelude::*;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use object_store::{ObjectStore, ObjectStoreExt};

use crate::orders;
use crate::table::{Table, count};
use crate::{Result, work};

/// The latency of a request to the slow store.
const LATENCY: Duration = Duration::from_millis(20);

/// Measures listings of a catalog.
pub(crate) fn measure(table: &mut Table, runs: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::tempdir()?;
        orders::load(&folder.path().join(work::DATABASE), 0.001)?;
        let manifest = sample_manifest(folder.path()).await?;
        table.heading(&format!("catalog, manifests of {} bytes", manifest.to_string().len()));
        let disk = |backups| on_disk(folder.path(), &manifest, backups);
        let (cold, _) = listing_times(folder.path(), &disk(1000)?, 1000, runs).await?;
        table.row("1,000 backups on a disk, without a cache", &millis(cold), "", "", "< 200 ms");
        let (_, warm) = listing_times(folder.path(), &disk(10_000)?, 10_000, runs).await?;
        table.row("10,000 backups on a disk, with a cache", &millis(warm), "", "", "< 50 ms");
        let (cold, warm) =
            listing_times(folder.path(), &slow_store(&manifest, 1000).await?, 1000, runs).await?;
        let label = format!("1,000 backups in a store that takes {} ms per request", LATENCY.as_millis());
        table.row(&format!("{label}, without a cache"), &millis(cold), "", "", "< 1.5 s");
        table.row(&format!("{label}, with a cache"), &millis(warm), "", "", "");
        Ok(())
    })
}

/// Formats a duration in milliseconds.
fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// Returns the manifest of a backup of orders.
async fn sample_manifest(folder: &Path) -> Result<serde_json::Value> {
    let storage = Storage::local(folder.join("one"))?;
    let koan = orders::context(folder)?.storage(storage).build().await?;
    let backup = koan.backup("orders").tags(["nightly"]).await?;
    Ok(serde_json::to_value(backup.manifest())?)
}

/// Returns the paths and contents of copies of the manifest, each with a different id.
fn copies(manifest: &serde_json::Value, backups: usize) -> impl Iterator<Item = (String, Vec<u8>)> {
    (0..backups).map(|number| {
        let mut manifest = manifest.clone();
        let id = format!("01990000-0000-7000-8000-{number:012x}");
        manifest["id"] = id.clone().into();
        (format!("manifests/{id}.json"), manifest.to_string().into_bytes())
    })
}

/// Writes this number of manifests into a directory.
fn on_disk(folder: &Path, manifest: &serde_json::Value, backups: usize) -> Result<Storage> {
    let folder = folder.join(count(backups.try_into()?));
    std::fs::create_dir_all(folder.join("manifests"))?;
    for (path, content) in copies(manifest, backups) {
        std::fs::write(folder.join(path), content)?;
    }
    Ok(Storage::local(folder)?)
}

/// Writes this number of manifests into a store that waits before each response.
async fn slow_store(manifest: &serde_json::Value, backups: usize) -> Result<Storage> {
    let store = InMemory::new();
    for (path, content) in copies(manifest, backups) {
        store.put(&path.into(), content.into()).await?;
    }
    let slow = ThrottleConfig {
        wait_get_per_call: LATENCY,
        wait_list_per_call: LATENCY,
        ..ThrottleConfig::default()
    };
    let store: Arc<dyn ObjectStore> = Arc::new(ThrottledStore::new(store, slow));
    Ok(Storage::object_store(store, "slow"))
}

/// Returns the median times of the first and of the second listing.
async fn listing_times(
    folder: &Path,
    storage: &Storage,
    backups: usize,
    runs: usize,
) -> Result<(Duration, Duration)> {
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let koan = orders::context(folder)?.named_storage("backups", storage.clone()).build().await?;
        for times in [&mut cold, &mut warm] {
            let started = Instant::now();
            let found = koan.catalog().all().await?;
            times.push(started.elapsed());
            if found.len() != backups {
                return Err(format!("{} of {backups} backups were listed", found.len()).into());
            }
        }
    }
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    Ok((median(cold), median(warm)))
}
