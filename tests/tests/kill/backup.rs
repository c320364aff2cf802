//! Tests a backup whose process is killed.

use std::path::Path;

use koan_backup::prelude::*;

use super::catalog::{Catalog, every_backup_is_whole, nothing_else_is_there};
use super::harness::{Left, Scenario, Words};
use super::shop::{Dump, NAME, Shop, after_the_last_entity, days_pass, time_passes};

/// The number of kills between two runs of maintenance. Most jobs therefore find the files of earlier killed
/// jobs.
const KILLS_PER_MAINTENANCE: u32 = 3;

pub(super) struct KilledBackup {
    shop: Shop,
    koan: Koan,
    dump: Dump,
    known: Catalog,
    checks: u32,
}

impl Scenario for KilledBackup {
    const WORDS: Words = Words { job: "backup", before: "before publication", after: "after it" };

    async fn prepare(folder: &Path, number: u32) -> Self {
        let shop = Shop::open(folder, number);
        let koan = Shop::context(folder).await;
        koan.backup(NAME).await.expect("a backup");
        let known = every_backup_is_whole(&koan, &shop.storage()).await;
        Self { dump: shop.dump(), shop, koan, known, checks: 0 }
    }

    fn put_back(&self) {
        time_passes(&self.shop.storage());
    }

    async fn context(folder: &Path) -> Koan {
        Shop::context(folder).await
    }

    async fn work(koan: &Koan, ending: fn()) {
        koan.backup(NAME).on_event(after_the_last_entity(ending)).await.expect("a backup");
    }

    async fn check(&mut self) -> Left {
        let found = every_backup_is_whole(&self.koan, &self.shop.storage()).await;
        let side = self.known.side(&found);
        assert_eq!(self.shop.dump(), self.dump);
        let trace = if found.without_manifest > self.known.without_manifest {
            Some("an archive without a manifest")
        } else if found.unfinished > self.known.unfinished {
            Some("an unfinished file")
        } else {
            None
        };
        self.known = found;
        self.checks += 1;
        if self.checks.is_multiple_of(KILLS_PER_MAINTENANCE) {
            self.maintain().await;
        }
        Left { side, trace }
    }
}

impl KilledBackup {
    /// Runs maintenance, which must remove only the unfinished files of killed jobs. A complete archive is
    /// reported as unlisted and then recovered.
    async fn maintain(&mut self) {
        let storage = self.shop.storage();
        days_pass(&storage);
        let report = self.koan.maintenance().without_verification().await.expect("ran");
        assert!(report.profiles[0].failures.is_empty(), "{report:?}");
        let unlisted = report.profiles[0].unlisted.len();
        let recovered = self.koan.catalog().recover().await.expect("ran").require_all().expect("whole");
        assert_eq!(recovered.recovered().count(), unlisted);
        let found = every_backup_is_whole(&self.koan, &storage).await;
        assert!(
            self.known.backups.iter().all(|(id, manifest)| found.backups.get(id) == Some(manifest)),
            "maintenance removed a backup"
        );
        nothing_else_is_there(&storage, &found);
        self.known = found;
    }
}
