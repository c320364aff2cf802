//! Tests a restore into SQLite whose process is killed.

use std::path::Path;

use koan_backup::prelude::*;

use super::catalog::assert_backup_unchanged;
use super::harness::{KillOutcome, OutputTexts, Scenario};
use super::shop::{Dump, NAME, Shop, expire_leases, restore_all};

/// The changes that the restore must revert: deleted, changed and new rows in both tables.
const CHANGES: &str = "
    DELETE FROM purchase WHERE id % 3 = 0 OR user_id > 1800;
    DELETE FROM user WHERE id > 1800;
    UPDATE purchase SET amount = amount + 1, note = 'changed' WHERE id % 5 = 0;
    UPDATE user SET email = 'changed-' || email, active = NOT active WHERE id % 8 = 0;
    INSERT INTO user SELECT id - 1, 'new-' || email, 1 FROM user WHERE id % 4 = 0;
    INSERT INTO purchase SELECT id + 100000, user_id - 1, 1, NULL FROM purchase WHERE user_id % 4 = 0;
    UPDATE sqlite_sequence SET seq = 1800;";

/// Resets the tables to their content before the first restore.
const RESET: &str = "
    BEGIN;
    DELETE FROM purchase; DELETE FROM user; DELETE FROM sqlite_sequence;
    INSERT INTO user SELECT * FROM original.user;
    INSERT INTO purchase SELECT * FROM original.purchase;
    UPDATE sqlite_sequence SET seq = (SELECT seq FROM original.sqlite_sequence);
    COMMIT";

/// The scenario of a restore into SQLite.
pub(super) struct KilledRestore {
    shop: Shop,
    koan: Koan,
    archived: Dump,
    before: Dump,
}

impl Scenario for KilledRestore {
    const TEXTS: OutputTexts = OutputTexts { job: "restore", before: "before the commit", after: "after it" };

    async fn prepare(folder: &Path, number: u32) -> Self {
        let shop = Shop::open(folder, number);
        let koan = Shop::context(folder).await;
        let _ = koan.backup(NAME).await.expect("a backup");
        let archived = shop.dump();
        shop.sql(CHANGES);
        shop.sql(&format!("VACUUM INTO '{}'", folder.join("original.db").display()));
        Self { before: shop.dump(), archived, shop, koan }
    }

    fn reset(&self) {
        expire_leases(&self.shop.storage());
        let original = self.shop.folder().join("original.db");
        self.shop
            .sql(&format!("PRAGMA foreign_keys = OFF; ATTACH '{}' AS original; {RESET}", original.display()));
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
        // The next process that opens the database rolls back the transaction of the journal.
        let leftover = self.shop.has_journal().then_some("a rollback journal");
        let found = self.shop.dump();
        let effect = found.effect(&self.before, &self.archived);
        assert_backup_unchanged(&self.koan, &self.shop.storage()).await;
        KillOutcome { effect, leftover }
    }
}
