//! Archives of event streams: a backup and a restore whose process is killed.

use std::path::{Path, PathBuf};

use koan_backup::prelude::*;

use super::super::catalog::{Catalog, assert_backup_unchanged, check_every_backup};
use super::super::harness::{KillOutcome, OutputTexts, Scenario};
use super::super::shop::{Dump, NAME, after_the_last_of, expire_leases};
use super::database::{EventDatabase, backups, context};

/// The number of kills, which the event stores of this suite have in common.
pub(super) const KILLS: u32 = 5;

/// The scenario of a backup.
pub(in super::super) struct KilledBackup<D> {
    database: D,
    folder: PathBuf,
    koan: Koan,
    dump: Dump,
    /// The catalog after the last kill.
    known: Catalog,
}

impl<D: EventDatabase> Scenario for KilledBackup<D> {
    const TEXTS: OutputTexts =
        OutputTexts { job: D::JOBS.backup, before: "before publication", after: "after it" };
    const KILLS: u32 = KILLS;

    async fn prepare(folder: &Path, _: u32) -> Self {
        let database = D::create(folder).await;
        let koan = context::<D>(folder).await;
        let _ = koan.backup(NAME).await.expect("a backup");
        let known = check_every_backup(&koan, &backups(folder)).await;
        let dump = database.dump().await;
        Self { database, folder: folder.to_owned(), koan, dump, known }
    }

    fn reset(&self) {
        expire_leases(&backups(&self.folder));
    }

    async fn context(folder: &Path) -> Koan {
        context::<D>(folder).await
    }

    async fn work(koan: &Koan, on_last_record: fn()) {
        let backup = koan.backup(NAME).on_event(after_the_last_of(D::PARTS, on_last_record));
        let _ = backup.await.expect("a backup");
    }

    async fn check(&mut self) -> KillOutcome {
        let session = self.database.recover().await;
        let found = check_every_backup(&self.koan, &backups(&self.folder)).await;
        let effect = self.known.effect(&found);
        assert!(self.database.dump().await == self.dump, "a backup changed the event store");
        let leftover = if found.without_manifest > self.known.without_manifest {
            Some("an archive without a manifest")
        } else if found.unfinished > self.known.unfinished {
            Some("an unfinished file")
        } else {
            session
        };
        self.known = found;
        KillOutcome { effect, leftover }
    }
}

/// The scenario of a restore that replaces existing streams.
pub(in super::super) struct KilledRestore<D> {
    database: D,
    folder: PathBuf,
    koan: Koan,
    archived: Dump,
    before: Dump,
}

impl<D: EventDatabase> Scenario for KilledRestore<D> {
    const TEXTS: OutputTexts =
        OutputTexts { job: D::JOBS.restore, before: "before the commit", after: "after it" };
    const KILLS: u32 = KILLS;

    async fn prepare(folder: &Path, _: u32) -> Self {
        let database = D::create(folder).await;
        let koan = context::<D>(folder).await;
        let _ = koan.backup(NAME).await.expect("a backup");
        let archived = database.dump().await;
        database.damage().await;
        database.remember();
        let before = database.dump().await;
        Self { database, folder: folder.to_owned(), koan, archived, before }
    }

    fn reset(&self) {
        expire_leases(&backups(&self.folder));
        self.database.reset();
    }

    async fn context(folder: &Path) -> Koan {
        context::<D>(folder).await
    }

    async fn work(koan: &Koan, on_last_record: fn()) {
        let restore = koan.restore(NAME).replace_existing();
        let _ = restore.on_event(after_the_last_of(D::PARTS, on_last_record)).await.expect("restored");
    }

    async fn check(&mut self) -> KillOutcome {
        let leftover = self.database.recover().await;
        let effect = self.database.dump().await.effect(&self.before, &self.archived);
        assert_backup_unchanged(&self.koan, &backups(&self.folder)).await;
        KillOutcome { effect, leftover }
    }
}
