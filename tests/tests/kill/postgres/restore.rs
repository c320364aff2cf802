//! Tests that killing the process of a restore into PostgreSQL leaves either the old or the restored rows.

use std::path::Path;

use koan_backup::prelude::*;

use super::super::catalog::assert_backup_unchanged;
use super::super::harness::{KillOutcome, OutputTexts, Scenario};
use super::super::shop::{Dump, NAME, expire_leases, restore_all};
use super::shop::Shop;

/// The changes that the restore must revert: deleted, changed and new rows in both tables.
const CHANGES: &str = r#"
    SET session_replication_role = replica;
    DELETE FROM purchase WHERE id % 3 = 0 OR user_id > 2800;
    DELETE FROM "user" WHERE id > 2800;
    UPDATE purchase SET amount = amount + 1, note = 'changed' WHERE id % 5 = 0;
    UPDATE "user" SET email = 'changed-' || email, active = NOT active WHERE id % 8 = 0;
    INSERT INTO "user" SELECT id - 1, 'new-' || email, true FROM "user" WHERE id % 4 = 0;
    INSERT INTO purchase SELECT id + 100000, user_id - 1, 1, NULL FROM purchase WHERE user_id % 4 = 0;
    SELECT setval('user_id_seq', 2800);
    CREATE SCHEMA original;
    CREATE TABLE original."user" AS TABLE "user"; CREATE TABLE original.purchase AS TABLE purchase;"#;

/// Resets the tables to their content before the first restore. The statements fail if a killed restore left
/// a lock.
const RESET: &str = r#"
    SET session_replication_role = replica; SET lock_timeout = '60s';
    BEGIN;
    TRUNCATE purchase, "user";
    INSERT INTO "user" TABLE original."user"; INSERT INTO purchase TABLE original.purchase;
    SELECT setval('user_id_seq', 2800);
    COMMIT"#;

/// The scenario of a restore into PostgreSQL.
pub(in super::super) struct KilledRestore {
    shop: Shop,
    koan: Koan,
    archived: Dump,
    before: Dump,
}

impl Scenario for KilledRestore {
    const TEXTS: OutputTexts =
        OutputTexts { job: "restore into PostgreSQL", before: "before the commit", after: "after it" };
    const KILLS: u32 = 40;

    async fn prepare(folder: &Path, _: u32) -> Self {
        let shop = Shop::open(folder);
        let koan = Shop::context(folder).await;
        let _ = koan.backup(NAME).await.expect("a backup");
        let archived = shop.dump();
        shop.sql(CHANGES);
        Self { before: shop.dump(), archived, shop, koan }
    }

    fn reset(&self) {
        expire_leases(&self.shop.storage());
        self.shop.sql(RESET);
        let found = self.shop.dump();
        assert!(found == self.before, "the reset database lacks: {}", self.before.additional_lines(&found));
    }

    async fn context(folder: &Path) -> Koan {
        Shop::context(folder).await
    }

    async fn work(koan: &Koan, on_last_record: fn()) {
        restore_all(koan, on_last_record).await;
    }

    async fn check(&mut self) -> KillOutcome {
        let leftover = self.shop.wait_for_sessions().then_some("a session that the server ended");
        let found = self.shop.dump();
        let effect = found.effect(&self.before, &self.archived);
        assert_backup_unchanged(&self.koan, &self.shop.storage()).await;
        KillOutcome { effect, leftover }
    }
}
