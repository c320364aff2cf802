//! Single backups of event streams: a backup and a restore whose process is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use koan_backup::prelude::*;
use koan_backup::streams::StreamBackupHandle;
use koan_backup::{BackupId, ConflictMode};
use koan_backup_tests::archive_surgery::sha256;

use super::super::harness::{JobEffect, KillOutcome, OutputTexts, Scenario};
use super::super::shop::{Dump, expire_leases, files_below};
use super::archives::KILLS;
use super::database::{EventDatabase, LARGE, OBJECT, backups, context};

/// The single backups in a directory.
struct SingleBackups {
    listed: BTreeMap<BackupId, StreamBackupHandle>,
    /// The number of contents to which no `.meta` refers.
    unlisted: usize,
    /// The number of other files.
    unfinished: usize,
}

impl SingleBackups {
    /// Checks every file, and lists and verifies every backup.
    async fn check(koan: &Koan, folder: &Path) -> Self {
        let storage = backups(folder);
        let paths = files_below(&storage.join("streams")).into_iter();
        let mut contents: BTreeMap<_, _> = paths
            .map(|path| {
                let name = path.strip_prefix(&storage).expect("the file is below the directory");
                (name.to_str().expect("text").to_owned(), path)
            })
            .collect();
        let metas: BTreeSet<_> = contents.keys().filter(|name| name.ends_with(".meta")).cloned().collect();
        contents.retain(|name, _| !metas.contains(name));
        let page = koan.stream_backups().await.expect("listed");
        assert!(page.unreadable.is_empty(), "a `.meta` is incomplete: {:?}", page.unreadable);
        assert_eq!(page.backups.len(), metas.len(), "each `.meta` is listed: {metas:?}");
        for handle in &page.backups {
            let content = contents.remove(&handle.location);
            let content = content.unwrap_or_else(|| panic!("{} does not exist", handle.location));
            let content = std::fs::read(content).expect("readable");
            assert_eq!(handle.checksum, sha256(&content), "{} is damaged", handle.location);
            let verified = koan.verify_stream_backup(handle).await.expect("read");
            verified.require_valid().expect("the backup is valid");
        }
        let unlisted = contents.keys().filter(|name| !name.contains('#') && name.contains(".json")).count();
        let unfinished = contents.len() - unlisted;
        let listed = page.backups.into_iter().map(|handle| (handle.id, handle)).collect();
        Self { listed, unlisted, unfinished }
    }

    /// Returns whether the killed process has published its backup, and requires that nothing else has changed.
    fn effect(&self, found: &Self) -> JobEffect {
        for (id, handle) in &self.listed {
            assert_eq!(found.listed.get(id), Some(handle), "an earlier backup was removed or changed");
        }
        let new = found.listed.len() - self.listed.len();
        assert!(new <= 1, "one backup created {new} files `.meta`");
        let mut counts = found
            .listed
            .values()
            .map(|handle| (handle.event_count, handle.snapshot_count, handle.terminated_stream_count));
        let first = counts.next().expect("the backup from before the first kill");
        assert!(counts.all(|other| other == first), "a backup contains other events than the first one");
        if new == 0 { JobEffect::NotApplied } else { JobEffect::Applied }
    }
}

/// The scenario of a single backup.
pub(in super::super) struct KilledSingleBackup<D> {
    database: D,
    folder: PathBuf,
    koan: Koan,
    dump: Dump,
    /// The backups after the last kill.
    known: SingleBackups,
}

impl<D: EventDatabase> Scenario for KilledSingleBackup<D> {
    const TEXTS: OutputTexts =
        OutputTexts { job: D::JOBS.single_backup, before: "before publication", after: "after it" };
    const KILLS: u32 = KILLS;

    async fn prepare(folder: &Path, _: u32) -> Self {
        let database = D::create(folder).await;
        let koan = context::<D>(folder).await;
        koan.streams(OBJECT).expect("declared").backup(LARGE).full().await.expect("a backup");
        let known = SingleBackups::check(&koan, folder).await;
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
        let backup = koan.streams(OBJECT).expect("declared").backup(LARGE).full();
        let reporting = backup.on_progress(move |progress| {
            if progress.events == progress.total_events {
                on_last_record();
            }
        });
        reporting.await.expect("a backup");
    }

    async fn check(&mut self) -> KillOutcome {
        let session = self.database.recover().await;
        let found = SingleBackups::check(&self.koan, &self.folder).await;
        let effect = self.known.effect(&found);
        assert!(self.database.dump().await == self.dump, "a backup changed the event store");
        let leftover = if found.unlisted > self.known.unlisted {
            Some("a content without a `.meta`")
        } else if found.unfinished > self.known.unfinished {
            Some("an unfinished file")
        } else {
            session
        };
        self.known = found;
        KillOutcome { effect, leftover }
    }
}

/// The scenario of a single restore that overwrites an aggregate.
pub(in super::super) struct KilledSingleRestore<D> {
    database: D,
    folder: PathBuf,
    koan: Koan,
    /// The damaged content with the backed up aggregate.
    restored: Dump,
    before: Dump,
}

impl<D: EventDatabase> Scenario for KilledSingleRestore<D> {
    const TEXTS: OutputTexts =
        OutputTexts { job: D::JOBS.single_restore, before: "before the commit", after: "after it" };
    const KILLS: u32 = KILLS;

    async fn prepare(folder: &Path, _: u32) -> Self {
        let database = D::create(folder).await;
        let koan = context::<D>(folder).await;
        koan.streams(OBJECT).expect("declared").backup(LARGE).full().await.expect("a backup");
        let archived = database.dump().await;
        database.damage().await;
        database.remember();
        let before = database.dump().await;
        let is_large = |line: &&String| line.split(' ').next() == Some(LARGE);
        let others = before.0.iter().filter(|line| !is_large(line));
        let mut restored: Vec<_> = others.chain(archived.0.iter().filter(is_large)).cloned().collect();
        restored.sort();
        Self { database, folder: folder.to_owned(), koan, restored: Dump(restored), before }
    }

    fn reset(&self) {
        expire_leases(&backups(&self.folder));
        self.database.reset();
    }

    async fn context(folder: &Path) -> Koan {
        context::<D>(folder).await
    }

    async fn work(koan: &Koan, on_last_record: fn()) {
        let handle = koan.stream_backups().await.expect("listed").backups.remove(0);
        // A single restore reports no progress, so all kills are distributed over the whole restore.
        on_last_record();
        let restore = koan.streams(OBJECT).expect("declared").restore(&handle);
        restore.on_conflict(ConflictMode::Overwrite).await.expect("restored");
    }

    async fn check(&mut self) -> KillOutcome {
        let leftover = self.database.recover().await;
        let effect = self.database.dump().await.effect(&self.before, &self.restored);
        let backups = SingleBackups::check(&self.koan, &self.folder).await;
        assert_eq!(
            (backups.listed.len(), backups.unlisted, backups.unfinished),
            (1, 0, 0),
            "a restore changed the directory of backups"
        );
        KillOutcome { effect, leftover }
    }
}
