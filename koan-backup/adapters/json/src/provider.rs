//! The provider that an application opens.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use koan_backup_core::{
    Result,
    entity::EntityCodec,
    provider::{
        Capabilities, Finding, Provider, ProviderDescription, ProviderDiagnosis, RestoreSession,
        RestoreTarget, SessionOptions, Snapshot, on_own_thread,
    },
    storage::MachineState,
};

use crate::directory::{Directory, Layout};
use crate::failure::blocking;
use crate::lock::LockTimeout;
use crate::presence_check::IfMissing;
use crate::session::JsonSession;
use crate::snapshot::JsonSnapshot;

/// The default time limit for waiting for a lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// A directory of JSON files whose documents are records.
///
/// Each entity has its own directory, named by its `table` or its name, percent-encoded as in archives.
///
/// | layout | default set | set `archive` |
/// |---|---|---|
/// | [`lines`](Self::lines): one document on each line | `User/root.jsonl` | `User/archive.jsonl` |
/// | [`documents`](Self::documents): one document in each file | `User/<anything>.json` | `User/#archive/<anything>.json` |
///
/// - **Names**: files and directories whose name starts with a dot are ignored. Others that contain no
///   records are reported at startup as uncovered tables. The key of a document is in its content, not in
///   the name of its file. The name of a new file is its key, percent-encoded, and so are upper-case letters;
///   for a long key, the name is the beginning of the key and a hash. Names are distinct even if the file
///   system ignores case.
/// - **Reading**: a document is one JSON object in UTF-8. A byte order mark, carriage returns, empty lines
///   and a missing last line feed are ignored. Other text that is not JSON, a duplicate name and a duplicate
///   key make the backup fail with file and line. A missing field gets serde's default; a field that the type
///   does not know causes a warning. Reading a set needs sixteen bytes of memory for each key.
/// - **Snapshots**: with `lines`, the snapshot opens all files while no restore takes effect. The read fails
///   if a file is changed in place, but not if it is replaced by a rename. With `documents`, files are opened
///   one by one: the read of a set fails if a file of the set is added, removed or changed during the read,
///   but there is no consistency between sets.
/// - **Restores** are atomic, even if the process is killed. One session writes at a time, across all
///   processes. A missing directory of an entity is treated as empty; the first new file creates it. With
///   `lines`, existing lines keep their order and new lines are appended; the keys of a set are held in
///   memory. The permissions of replaced files are preserved, but their owners are not; new files and
///   directories are readable only by their owner. A backup fails if the directory no longer exists, or if it
///   is empty but was not empty before, because its disk may not be mounted. Restores do not write through
///   symbolic links.
///
/// # Contents of `.koan`
///
/// | name | content |
/// |---|---|
/// | `writer.lock` | locked by the session that writes |
/// | `commit.lock` | locked while a restore takes effect, and locked in shared mode by readers |
/// | `restore-<id>/` | new files of the session that writes; without a journal, the next session removes it |
/// | `commit.json` | the journal of a restore that was committed: the new files with their paths, and the files to remove |
///
/// A commit makes the new files durable, writes the journal under another name, makes it durable and renames
/// it. The restore is committed after this rename. The commit then renames and removes files, makes these
/// changes durable, and removes the journal and the staging directory. Each step can be repeated: the next
/// process that opens the directory, takes a snapshot or begins a session finds the journal and finishes the
/// steps.
///
/// The locks are those of [`std::fs::File`]; other programs do not observe them. Stop an application that
/// writes to the directory before a restore. If another program changes a file before the commit, the change
/// is detected and the restore is rolled back.
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
    if_missing: IfMissing,
}

impl JsonFiles {
    /// Opens a directory with a file for each set and a document on each line. A committed restore that was
    /// interrupted is finished.
    ///
    /// A directory that does not exist is created when a context is built. The start fails instead if this
    /// machine knows that the directory existed before (see
    /// [`KoanBuilder::state_directory`](koan_backup_core::KoanBuilder::state_directory)), or if the path is
    /// probably misspelt (see [`create_if_missing`](Self::create_if_missing)).
    ///
    /// # Errors
    /// Returns an error if the path is not a directory or cannot be read.
    pub fn lines(directory: impl AsRef<Path>) -> Result<Self> {
        Self::with_layout(directory.as_ref(), Layout::Lines)
    }

    /// Opens a directory with a file for each document. A committed restore that was interrupted is finished.
    /// A directory that does not exist is treated as described at [`lines`](Self::lines).
    ///
    /// # Errors
    /// Returns an error if the path is not a directory or cannot be read.
    pub fn documents(directory: impl AsRef<Path>) -> Result<Self> {
        Self::with_layout(directory.as_ref(), Layout::Documents)
    }

    fn with_layout(path: &Path, layout: Layout) -> Result<Self> {
        let directory = Directory::open(path, layout)?;
        if directory.root.exists() {
            crate::journal_recovery::recover_journal(&directory, &LockTimeout::uncancellable(LOCK_TIMEOUT))?;
        }
        Ok(Self { directory, lock_timeout: LOCK_TIMEOUT, if_missing: IfMissing::CreateUnlessMisspelt })
    }

    /// Creates a directory that does not exist even if its path is similar to the path of an existing
    /// directory that contains files. Without this setting, such a path is considered to be misspelt,
    /// because a backup of a new, empty directory would succeed. A directory that this machine knows to
    /// have existed before is not created.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), koan_backup::Error> {
    /// use koan_backup::JsonFiles;
    ///
    /// let data = JsonFiles::lines("data-new")?.create_if_missing();
    /// # drop(data);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn create_if_missing(mut self) -> Self {
        self.if_missing = IfMissing::Create;
        self
    }

    /// Sets how long a restore or a backup waits for a lock that another restore or backup holds, before it
    /// fails. The default is 30 seconds.
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// Returns the path of the directory.
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
        let (directory, state, if_missing) = (self.directory.clone(), state.clone(), self.if_missing);
        blocking(move || directory.attach(&state, if_missing)).await
    }

    fn source(&self) -> Option<String> {
        std::path::absolute(&self.directory.root).ok().map(|path| path.display().to_string())
    }

    async fn describe(&self, entities: &[EntityCodec]) -> Result<ProviderDescription> {
        let (directory, entities) = (self.directory.clone(), entities.to_vec());
        let (timeout, _cancel_on_drop) = LockTimeout::new(self.lock_timeout);
        on_own_thread(move || {
            directory.require_root()?;
            let _lock = crate::journal_recovery::recover_journal(&directory, &timeout)?;
            crate::coverage::describe(&directory, &entities)
        })
        .await
    }

    async fn diagnose(&self, entities: &[EntityCodec], state: &MachineState) -> Result<ProviderDiagnosis> {
        let (directory, state, if_missing) = (self.directory.clone(), state.clone(), self.if_missing);
        let path = self.directory.root.display();
        match blocking(move || directory.is_created(&state, if_missing)).await? {
            false => Ok(ProviderDiagnosis::not_created(format!("the directory of JSON files `{path}`"))),
            true => self.describe(entities).await.map(ProviderDiagnosis::new),
        }
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        let directory = self.directory.clone();
        let (timeout, _cancel_on_drop) = LockTimeout::new(self.lock_timeout);
        let snapshot = on_own_thread(move || JsonSnapshot::take(&directory, &timeout)).await?;
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
