//! What an application implements for each entity.

use async_trait::async_trait;
use futures::stream::BoxStream;
use koan_backup_core::provider::Consistency;
use koan_backup_core::{Entity, Result};

use crate::restore_request::{RestoreOutcome, RestoreRequest};

/// Why a repository failed. Its text is shown, so it must not hold the content of a record.
pub type RepositoryError = Box<dyn std::error::Error + Send + Sync>;

/// Where the records of one entity live, as an application has them.
///
/// Two functions are enough: all the records, and writing many. With [`deletes`](Self::deletes) and
/// [`delete_many`](Self::delete_many), `replace_existing` works too.
///
/// There is no transaction around a restore: what a restore that fails has written stays, and the error says so.
///
/// After a target was written it is read again: each record of the archive must be there, with the values that were written. Values
/// may come back in another form: `1` as `1.0`, an instant in another offset, the names of JSON objects in another order, decimals in
/// a list with other zeros at their end. A time may come back without its digits beyond microseconds, cut off or rounded, because
/// most databases keep no more; this is not reported. A record that was skipped or changed on the way fails the restore with its key
/// and the names of the fields that differ. Fields that the database or the ORM fills by itself are named by
/// [`maintained_fields`](Self::maintained_fields) and not compared. A database that takes keys for one that differ, such as
/// e-mail addresses in either case, would lose records otherwise; [`comparable_key`](Self::comparable_key) says so. After records were
/// removed for `replace_existing`, the target is read once more, and none of them may be there.
///
/// Keys are held in memory: of all records while they are read, because they come in any order and two of one key must be found;
/// during a restore those that are there and those of the archive, with a hash of 32 bytes of each record and of
/// 8 bytes of each field; and, with `replace_existing`, the records that go.
#[async_trait]
pub trait Repository<T: Entity>: Send + Sync + 'static {
    /// All the records, in any order. The stream ends after the last one; a failure is an item, never an early end.
    fn all(&self) -> BoxStream<'_, Result<T, RepositoryError>>;

    /// Writes records; one whose key is there takes its place.
    ///
    /// # Errors
    /// They were not all written.
    async fn upsert_many(&self, records: Vec<T>) -> Result<(), RepositoryError>;

    /// What [`all`](Self::all) promises: [`Consistency::PerEntity`] if it reads at one point in time.
    fn consistency(&self) -> Consistency {
        Consistency::None
    }

    /// How many records there are; counted by reading them, unless a faster way is given.
    ///
    /// # Errors
    /// They cannot be read.
    async fn count(&self) -> Result<u64, RepositoryError> {
        use futures::TryStreamExt as _;
        self.all().try_fold(0, async |count, _| Ok(count + 1)).await
    }

    /// The key of a record as its database compares it: the same text exactly for keys that are one key there, such as an e-mail
    /// address in lower case for a column that ignores case. `None` for every record, the default: keys are one exactly when their values
    /// are equal.
    ///
    /// It is asked wherever keys are compared: in backups, in dry runs, and in restores.
    fn comparable_key(&self, record: &T) -> Option<String> {
        let _ = record;
        None
    }

    /// The fields that the database or the ORM fills by itself when a record is written, by the names that serde writes: a time of
    /// the last change, a version for optimistic locking, a column that a trigger computes. None by default.
    ///
    /// A restore does not compare them with the archive after it has written them, so that their own values there do not fail it.
    /// Name only fields that [`upsert_many`](Self::upsert_many) cannot write as they are given: a restored record then differs from
    /// the archive in them. The name of a field that is [flattened](https://serde.rs/attr-flatten.html) cannot be given, nor that
    /// of a field of the key: any other name is a problem that the start reports, and that fails backups and restores of the entity.
    ///
    /// ```
    /// # use koan_backup::{Entity, Repository, RepositoryError};
    /// # use futures::stream::{self, BoxStream, StreamExt as _};
    /// # #[derive(serde::Serialize, serde::Deserialize, Entity)]
    /// # struct User { id: i64, name: String, updated_at: String, version: i64 }
    /// # struct Users;
    /// # #[async_trait::async_trait]
    /// impl Repository<User> for Users {
    ///     fn maintained_fields(&self) -> &[&str] {
    ///         // A trigger sets the first; the ORM counts the second up.
    ///         &["updated_at", "version"]
    ///     }
    /// #   fn all(&self) -> BoxStream<'_, Result<User, RepositoryError>> { stream::empty().boxed() }
    /// #   async fn upsert_many(&self, _: Vec<User>) -> Result<(), RepositoryError> { Ok(()) }
    /// }
    /// ```
    fn maintained_fields(&self) -> &[&str] {
        &[]
    }

    /// Whether [`delete_many`](Self::delete_many) works.
    fn deletes(&self) -> bool {
        false
    }

    /// Removes records, which were read before.
    ///
    /// # Errors
    /// They were not all removed.
    async fn delete_many(&self, _records: Vec<T>) -> Result<(), RepositoryError> {
        Err("this repository deletes nothing".into())
    }

    /// Prepares the repository for a restore that writes to it: disables triggers, takes a lock, begins to collect
    /// records. Called once for each restore and for each call that writes by `koan.data()`, before the existing records
    /// are read. Not called for a dry run. Does nothing by default.
    ///
    /// # Cancel safety
    /// The future may be dropped, when the restore is cancelled. [`finish_restore`](Self::finish_restore) is called then
    /// as well.
    ///
    /// # Errors
    /// The repository cannot be restored into. The restore fails before it writes a record of this entity.
    async fn prepare_restore(&self, request: &RestoreRequest) -> Result<(), RepositoryError> {
        let _ = request;
        Ok(())
    }

    /// Undoes what [`prepare_restore`](Self::prepare_restore) did, or completes the restore. Does nothing by default.
    ///
    /// It is called exactly once for each repository whose `prepare_restore` was called, after the last record of all
    /// repositories: with [`RestoreOutcome::Completed`] after success; with [`RestoreOutcome::Failed`] after an error,
    /// including one of `prepare_restore`, after a cancellation, and after the future of the restore was dropped.
    /// Repositories are finished in the opposite order of their preparation.
    ///
    /// # Cancel safety
    /// It runs on a task of its own, which is not cancelled with the restore. If the future of a restore is dropped, nobody
    /// waits for that task: a restore that is started right afterwards may prepare the repository before it is finished.
    /// A runtime that shuts down ends the task.
    ///
    /// # Errors
    /// What was prepared could not be undone. After a success, the restore returns this error, although all records are
    /// written; after a failure, it is added to the error of the restore. If the future of the restore was dropped, it
    /// is logged.
    async fn finish_restore(&self, outcome: RestoreOutcome) -> Result<(), RepositoryError> {
        let _ = outcome;
        Ok(())
    }
}
