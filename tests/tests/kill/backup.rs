//! Tests a backup whose process is killed.

use std::path::Path;

use koan_backup::prelude::*;

use super::catalog::{Catalog, assert_no_other_files, check_every_backup};
use super::harness::{KillOutcome, OutputTexts, Scenario};
use super::shop::{Dump, NAME, Shop, after_the_last_entity, expire_leases, make_files_old};

/// The number of kills between two runs of maintenance. Most backups therefore find the files of earlier
/// killed backups.
const KILLS_PER_MAINTENANCE: u32 = 3;

/// The scenario of a backup of SQLite.
pub(super) struct KilledBackup {
    shop: Shop,
    koan: Koan,
    dump: Dump,
    /// The catalog after the last kill.
    known: Catalog,
    checks: u32,
}

impl Scenario for KilledBackup {
    const TEXTS: OutputTexts = OutputTexts { job: "backup", before: "before publication", after: "after it" };

    async fn prepare(folder: &Path, number: u32) -> Self {
        let shop = Shop::open(folder, number);
        let koan = Shop::context(folder).await;
        let _ = koan.backup(NAME).await.expect("a backup");
        let known = check_every_backup(&koan, &shop.storage()).await;
        Self { dump: shop.dump(), shop, koan, known, checks: 0 }
    }

    fn reset(&self) {
        expire_leases(&self.shop.storage());
    }

    async fn context(folder: &Path) -> Koan {
        Shop::context(folder).await
    }

    async fn work(koan: &Koan, on_last_record: fn()) {
        let _ = koan.backup(NAME).on_event(after_the_last_entity(on_last_record)).await.expect("a backup");
    }

    async fn check(&mut self) -> KillOutcome {
        let found = check_every_backup(&self.koan, &self.shop.storage()).await;
        let effect = self.known.effect(&found);
        assert_eq!(self.shop.dump(), self.dump);
        let leftover = if found.without_manifest > self.known.without_manifest {
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
        KillOutcome { effect, leftover }
    }
}

impl KilledBackup {
    /// Runs maintenance, which must remove only the unfinished files of killed backups. Maintenance reports a
    /// complete archive without a manifest as unlisted, and the archive is then recovered.
    async fn maintain(&mut self) {
        let storage = self.shop.storage();
        make_files_old(&storage);
        let report = self.koan.maintenance().without_verification().await.expect("completed");
        assert!(report.profiles[0].failures.is_empty(), "{report:?}");
        let unlisted = report.profiles[0].unlisted.len();
        let recovered =
            self.koan.catalog().recover().await.expect("completed").require_all().expect("all recovered");
        assert_eq!(recovered.recovered().count(), unlisted);
        let found = check_every_backup(&self.koan, &storage).await;
        assert!(
            self.known.backups.iter().all(|(id, manifest)| found.backups.get(id) == Some(manifest)),
            "maintenance removed a backup"
        );
        assert_no_other_files(&storage, &found);
        self.known = found;
    }
}
