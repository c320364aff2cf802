//! The event stores of the killed jobs, and the context of the application.

use std::path::{Path, PathBuf};

use koan_backup::KoanBuilder;
use koan_backup::prelude::*;

use super::super::shop::Dump;

/// The object name of the event streams.
pub(super) const OBJECT: &str = "order";
/// The aggregate with many events, which single backups contain.
pub(super) const LARGE: &str = "large";

/// The names of the jobs in the output.
pub(in super::super) struct JobNames {
    pub(super) backup: &'static str,
    pub(super) restore: &'static str,
    pub(super) single_backup: &'static str,
    pub(super) single_restore: &'static str,
}

/// An event store in a folder, which outlives the process that uses it.
pub(in super::super) trait EventDatabase: Sized {
    const JOBS: JobNames;
    /// The number of parts that an archive contains of one type of event streams.
    const PARTS: usize;

    /// Creates the store in an empty folder: some small aggregates and a [large](LARGE) one.
    async fn create(folder: &Path) -> Self;

    /// Adds the store of a folder to a context.
    fn register(folder: &Path, builder: KoanBuilder) -> KoanBuilder;

    /// Damages the store: some aggregates have later events, others a changed event, others are missing or additional. The
    /// large aggregate has changed and later events.
    async fn damage(&self);

    /// Remembers the content for [`reset`](Self::reset).
    fn remember(&self);

    /// Writes the remembered content again.
    fn reset(&self);

    /// Completes or waits for what the killed process left, and describes it.
    async fn recover(&self) -> Option<&'static str>;

    /// Returns the content.
    async fn dump(&self) -> Dump;
}

/// Builds the context of the application in a folder.
pub(super) async fn context<D: EventDatabase>(folder: &Path) -> Koan {
    let builder = Koan::builder()
        .only_registered()
        .register_raw(OBJECT)
        .state_directory(folder.join("state"))
        .storage(Storage::local(backups(folder)).expect("a directory"));
    D::register(folder, builder).build().await.expect("a context")
}

/// Returns the directory of the backups.
pub(super) fn backups(folder: &Path) -> PathBuf {
    folder.join("backups")
}
