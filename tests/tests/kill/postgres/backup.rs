//! Tests a backup of PostgreSQL whose process is killed.

use std::path::Path;

use koan_backup::prelude::*;

use super::super::catalog::{Catalog, check_every_backup};
use super::super::harness::{KillOutcome, OutputTexts, Scenario};
use super::super::shop::{Dump, NAME, after_the_last_entity, expire_leases};
use super::shop::Shop;

/// The scenario of a backup of PostgreSQL.
pub(in super::super) struct KilledBackup {
    shop: Shop,
    koan: Koan,
    dump: Dump,
    /// The catalog after the last kill.
    known: Catalog,
}

impl Scenario for KilledBackup {
    const TEXTS: OutputTexts =
        OutputTexts { job: "backup of PostgreSQL", before: "before publication", after: "after it" };
    const KILLS: u32 = 40;

    async fn prepare(folder: &Path, _: u32) -> Self {
        let shop = Shop::open(folder);
        let koan = Shop::context(folder).await;
        let _ = koan.backup(NAME).await.expect("a backup");
        let known = check_every_backup(&koan, &shop.storage()).await;
        Self { dump: shop.dump(), shop, koan, known }
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
        let had_session = self.shop.wait_for_sessions();
        let found = check_every_backup(&self.koan, &self.shop.storage()).await;
        let effect = self.known.effect(&found);
        // If the killed client left a lock, this statement would wait for it and fail after the timeout.
        self.shop.sql("SET lock_timeout = '60s'; BEGIN; LOCK TABLE \"user\", purchase; COMMIT");
        assert_eq!(self.shop.dump(), self.dump);
        self.known = found;
        KillOutcome { effect, leftover: had_session.then_some("a session that the server ended") }
    }
}
