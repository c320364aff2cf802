//! The provider: what an application opens and a context works with.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use koan_backup_core::{
    Result,
    entity::EntityCodec,
    provider::{
        Capabilities, Finding, Provider, ProviderDescription, RestoreSession, RestoreTarget, SessionOptions,
        Snapshot, on_own_thread,
    },
    storage::MachineState,
};

use crate::directory::{Directory, Layout};
use crate::failure::blocking;
use crate::lock::Patience;
use crate::session::JsonSession;
use crate::snapshot::JsonSnapshot;

/// How long a lock is waited for.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// A directory of JSON files whose documents are entities.
///
/// Each entity has a directory of its own, named by its `table` or its name, percent-encoded as in archives.
///
/// | layout | default set | set `archive` |
/// |---|---|---|
/// | [`lines`](Self::lines): a document a line | `User/root.jsonl` | `User/archive.jsonl` |
/// | [`documents`](Self::documents): a document a file | `User/<anything>.json` | `User/#archive/<anything>.json` |
///
/// - **Names** that begin with a dot are never data. What else is no data is told at the start as a table in no entity. The key
///   of a document is in its content, not in its file's name; a new one is named by its key, percent-encoded with its
///   capitals, and a key that is too long by its beginning and a hash. No two share a file, also where capitals are not told
///   apart.
/// - **Reading**: a document is one JSON object in UTF-8. A byte order mark, carriage returns, empty lines and a missing last
///   line feed are passed over; whatever else is not JSON, and a name or a key that is there twice, fails the backup with file
///   and line. What is not there has serde's default, what the type does not know is warned of. Sixteen bytes for each key of
///   a set are held in memory while it is read.
/// - **Snapshots**: of `lines`, all files are opened at once while no restore takes effect, and read as they were; one that
///   is changed in place fails the read, one that is replaced by a rename does not. `documents` are opened one by one: a set in
///   which anything came, went or changed while it was read fails, but between two sets nothing is promised.
/// - **Restores** are all or nothing, also when the process is killed. One session writes at a time, whatever process it is in.
///   The directory of an entity that is missing is an empty one, and is made when there is something to put in it. In `lines`, old lines keep
///   their order and are followed by new ones; the keys of a set are held in memory. Permissions of files that are replaced are
///   kept, their owners are not; new files and directories can be read by their owner only. A directory that is gone, or that is
///   empty and was not before, is not backed up: its disk is not mounted. Symbolic links are not followed for writing.
///
/// # What is in `.koan`
///
/// | name | what it is |
/// |---|---|
/// | `writer.lock` | locked by the session that writes |
/// | `commit.lock` | locked while a restore takes effect, and shared with others by those that read meanwhile |
/// | `restore-<id>/` | new files of the session that writes; without a journal, the next session removes it |
/// | `commit.json` | the journal of a restore that was committed: which new files take whose places, and which files go |
///
/// A commit makes the new files durable, writes the journal under another name, makes it durable and renames it. From then on
/// the restore has happened. Then it renames and removes files, makes that durable, and removes the journal and what is left of
/// the session. Each of these steps can be done again, so whoever opens the directory next, takes a snapshot or begins a
/// session, finds a journal and finishes what it says.
///
/// The locks are those of [`std::fs::File`], so other programs do not heed them: an application that writes to the directory
/// is to be stopped while it is restored. What it changed before the commit is noticed, and the restore is undone.
///
/// # Example
/// ```
/// # fn main() -> Result<(), koan_backup::Error> {
/// use koan_backup::JsonFiles;
///
/// # let folder = std::env::temp_dir().join(format!("koan-backup-doc-{}", std::process::id()));
/// # let (data, settings) = (folder.join("data"), folder.join("settings"));
/// let data = JsonFiles::lines(data)?; // data/User/root.jsonl
/// let settings = JsonFiles::documents(settings)?; // settings/User/<anything>.json
/// # drop((data, settings));
/// # let _ = std::fs::remove_dir_all(folder);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct JsonFiles {
    directory: Directory,
    lock_timeout: Duration,
}

impl JsonFiles {
    /// A directory with a file for each set and a document on each line. A restore that was committed and cut short is finished.
    ///
    /// A directory that does not exist is made when a context is built, unless this machine knows that it existed before: see
    /// [`KoanBuilder::state_directory`](koan_backup_core::KoanBuilder::state_directory).
    ///
    /// # Errors
    /// It is no directory, or cannot be read.
    pub fn lines(directory: impl AsRef<Path>) -> Result<Self> {
        Self::open(directory.as_ref(), Layout::Lines)
    }

    /// A directory with a file for each document. A restore that was committed and cut short is finished. A directory that does not
    /// exist is treated as by [`lines`](Self::lines).
    ///
    /// # Errors
    /// It is no directory, or cannot be read.
    pub fn documents(directory: impl AsRef<Path>) -> Result<Self> {
        Self::open(directory.as_ref(), Layout::Documents)
    }

    fn open(path: &Path, layout: Layout) -> Result<Self> {
        let directory = Directory::open(path, layout)?;
        if directory.root.exists() {
            crate::journal_recovery::settled(&directory, &Patience::of(LOCK_TIMEOUT))?;
        }
        Ok(Self { directory, lock_timeout: LOCK_TIMEOUT })
    }

    /// How long a restore or a backup waits for another that is in its way, before it fails: half a minute unless told.
    #[must_use]
    pub fn lock_timeout(mut self, longest: Duration) -> Self {
        self.lock_timeout = longest;
        self
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.directory.root
    }
}

#[async_trait]
impl Provider for JsonFiles {
    fn kind(&self) -> &'static str {
        "json"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.bulk_upsert = true;
        capabilities.bulk_delete = true;
        capabilities.atomic_restore = true;
        capabilities.snapshot_reads = self.directory.layout == Layout::Lines;
        capabilities.sets = true;
        capabilities
    }

    async fn attach(&self, state: &MachineState) -> Result<()> {
        let (directory, state) = (self.directory.clone(), state.clone());
        blocking(move || directory.attach(&state)).await
    }

    fn source(&self) -> Option<String> {
        std::path::absolute(&self.directory.root).ok().map(|path| path.display().to_string())
    }

    async fn describe(&self, entities: &[EntityCodec]) -> Result<ProviderDescription> {
        let (directory, entities) = (self.directory.clone(), entities.to_vec());
        let (patience, _waiting) = Patience::new(self.lock_timeout);
        on_own_thread(move || {
            directory.require_root()?;
            let _lock = crate::journal_recovery::settled(&directory, &patience)?;
            crate::coverage::describe(&directory, &entities)
        })
        .await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        let directory = self.directory.clone();
        let (patience, _waiting) = Patience::new(self.lock_timeout);
        let snapshot = on_own_thread(move || JsonSnapshot::take(&directory, &patience)).await?;
        Ok(Box::new(snapshot))
    }

    async fn assess(&self, targets: &[RestoreTarget], _: &SessionOptions) -> Result<Vec<Finding>> {
        let (directory, targets) = (self.directory.clone(), targets.to_vec());
        blocking(move || crate::viability::assess(&directory, &targets)).await
    }

    async fn begin_restore(&self, options: &SessionOptions) -> Result<Box<dyn RestoreSession>> {
        let (directory, options) = (self.directory.clone(), options.clone());
        Ok(Box::new(JsonSession::begin(directory, options, self.lock_timeout).await?))
    }
}
