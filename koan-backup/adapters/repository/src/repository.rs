//! The trait that an application implements for each entity.

use async_trait::async_trait;
use futures::stream::BoxStream;
use koan_backup_core::provider::Consistency;
use koan_backup_core::{Entity, Result};

use crate::restore_request::{RestoreOutcome, RestoreRequest};

/// The error of a repository. Its text is displayed, so it must not contain the content of a record.
pub type RepositoryError = Box<dyn std::error::Error + Send + Sync>;

/// Access to the records of one entity, which the application implements for its own storage.
///
/// Two functions are required: [`all`](Self::all) reads all records, and [`upsert_many`](Self::upsert_many)
/// writes records. `replace_existing` also requires [`deletes`](Self::deletes) and
/// [`delete_many`](Self::delete_many).
///
/// There is no transaction around a restore: the records that a failed restore has written remain, and its
/// error lists the entities whose records were written.
///
/// After the records of a target were written, all of its records are read again: each record of the archive
/// must exist, with the values that were written. Values may come back in another form: `1` as `1.0`, an
/// instant with another offset, the names of JSON objects in another order, decimals in a list with a
/// different number of trailing zeros. The digits of a time beyond microseconds may be truncated or rounded,
/// because most databases do not keep more digits; this is not reported. A record that is missing or has
/// other values makes the restore fail with its key and the names of the fields that differ. The fields that
/// [`maintained_fields`](Self::maintained_fields) returns, which the database or the ORM fills automatically,
/// are not compared. If the database considers different key values to be equal, for example e-mail addresses
/// in upper and lower case, records would be lost; [`comparable_key`](Self::comparable_key) prevents this.
/// After records were deleted for `replace_existing`, the records are read once more, and no deleted record
/// may still exist.
///
/// Keys are held in memory: the keys of all records while they are read, because records are read in any
/// order and duplicate keys must be detected; during a restore, the keys of the existing records and of the
/// records of the archive, with a hash of 32 bytes for each record and of 8 bytes for each field; and, with
/// `replace_existing`, the records that are deleted.
///
/// ```standalone_crate
/// use koan_backup::prelude::*;
/// use koan_backup::{Repositories, Repository, RepositoryError};
/// use async_trait::async_trait;
/// use futures::stream::{self, BoxStream, StreamExt as _};
/// # use std::collections::BTreeMap;
/// # use std::sync::{Arc, Mutex};
/// # koan_backup::entity_backup_scope!(mode = All);
/// # #[derive(Clone, serde::Serialize, serde::Deserialize, Entity)]
/// # struct User { id: i64, name: String }
/// # #[derive(Clone, Default)]
/// # struct Service(Arc<Mutex<BTreeMap<i64, User>>>);
/// # impl Service {
/// #     fn list(&self) -> Vec<User> { self.0.lock().expect("no panic").values().cloned().collect() }
/// #     async fn put(&self, user: User) -> Result<(), RepositoryError> {
/// #         self.0.lock().expect("no panic").insert(user.id, user);
/// #         Ok(())
/// #     }
/// # }
///
/// struct Users {
///     service: Service,
/// }
///
/// #[async_trait]
/// impl Repository<User> for Users {
///     fn all(&self) -> BoxStream<'_, Result<User, RepositoryError>> {
///         stream::iter(self.service.list()).map(Ok).boxed()
///     }
///
///     async fn upsert_many(&self, users: Vec<User>) -> Result<(), RepositoryError> {
///         for user in users {
///             self.service.put(user).await?;
///         }
///         Ok(())
///     }
/// }
/// # fn main() {}
/// ```
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a repository of `{T}`",
    label = "not a repository of `{T}`",
    note = "implement `Repository<{T}>` for `{Self}`"
)]
pub trait Repository<T: Entity>: Send + Sync + 'static {
    /// Returns all records, in any order. The stream must end only after the last record. A failure must be
    /// an error item of the stream; the stream must not end early instead.
    fn all(&self) -> BoxStream<'_, Result<T, RepositoryError>>;

    /// Writes records. A record replaces the existing record with the same key.
    ///
    /// # Errors
    /// Returns an error if not all records were written.
    async fn upsert_many(&self, records: Vec<T>) -> Result<(), RepositoryError>;

    /// Returns the consistency that [`all`](Self::all) guarantees: [`Consistency::PerEntity`] if it reads at
    /// one point in time.
    fn consistency(&self) -> Consistency {
        Consistency::None
    }

    /// Returns the number of records. The default implementation reads all records.
    ///
    /// # Errors
    /// Returns an error if the records cannot be read.
    async fn count(&self) -> Result<u64, RepositoryError> {
        use futures::TryStreamExt as _;
        self.all().try_fold(0, async |count, _| Ok(count + 1)).await
    }

    /// Returns the key of a record as its database compares it: two keys must have the same text exactly if
    /// the database considers them equal. For a column that ignores case, this is for example the e-mail
    /// address in lower case. The default implementation returns `None` for every record: two keys are then
    /// equal exactly if their values are equal.
    ///
    /// It is called by all operations that compare keys: backups, dry runs, and restores.
    fn comparable_key(&self, record: &T) -> Option<String> {
        let _ = record;
        None
    }

    /// Returns the fields that the database or the ORM fills automatically when a record is written, by their
    /// serde names: a time of the last change, a version for optimistic locking, a column that a trigger
    /// computes. The default is no field.
    ///
    /// A restore does not compare these fields with the archive after it has written them, so that values
    /// that the database has filled in do not make it fail. Return only fields that
    /// [`upsert_many`](Self::upsert_many) cannot write unchanged, because a restored record may differ from
    /// the archive in these fields. A field that is [flattened](https://serde.rs/attr-flatten.html) and a
    /// field of the key are not permitted. A name that is not permitted is reported at startup, and makes
    /// backups and restores of the entity fail.
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
    ///         // A trigger sets `updated_at`; the ORM increments `version`.
    ///         &["updated_at", "version"]
    ///     }
    /// #   fn all(&self) -> BoxStream<'_, Result<User, RepositoryError>> { stream::empty().boxed() }
    /// #   async fn upsert_many(&self, _: Vec<User>) -> Result<(), RepositoryError> { Ok(()) }
    /// }
    /// ```
    fn maintained_fields(&self) -> &[&str] {
        &[]
    }

    /// Returns whether [`delete_many`](Self::delete_many) is supported.
    fn deletes(&self) -> bool {
        false
    }

    /// Deletes records that were read before.
    ///
    /// # Errors
    /// Returns an error if not all records were deleted.
    async fn delete_many(&self, _records: Vec<T>) -> Result<(), RepositoryError> {
        Err("this repository does not implement `delete_many`".into())
    }

    /// Prepares the repository for a restore that writes to it, for example by disabling triggers or
    /// acquiring a lock. It is called once for each restore and for each call of `koan.data()` that writes,
    /// before the existing records are read. It is not called for a dry run. The default implementation does
    /// nothing.
    ///
    /// # Cancel safety
    /// The future may be dropped when the restore is cancelled. [`finish_restore`](Self::finish_restore) is
    /// then called as well.
    ///
    /// # Errors
    /// Returns an error if the repository cannot be restored into. The restore then fails before it writes a
    /// record of this entity.
    async fn prepare_restore(&self, request: &RestoreRequest) -> Result<(), RepositoryError> {
        let _ = request;
        Ok(())
    }

    /// Reverts what [`prepare_restore`](Self::prepare_restore) did, or completes the restore. The default
    /// implementation does nothing.
    ///
    /// It is called exactly once for each repository whose `prepare_restore` was called, after the last
    /// record of all repositories was written: with [`RestoreOutcome::Completed`] after success; with
    /// [`RestoreOutcome::Failed`] after an error, including an error of `prepare_restore`, after a
    /// cancellation, and after the future of the restore was dropped. Repositories are finished in the
    /// reverse order of their preparation.
    ///
    /// # Cancel safety
    /// It runs on its own task, which is not cancelled with the restore. If the future of a restore is
    /// dropped, the library does not wait for that task: a restore that is started immediately afterwards may
    /// prepare the repository before this function has returned. A runtime that shuts down ends the task.
    ///
    /// # Errors
    /// Returns an error if the preparation could not be reverted. After a success, the restore returns this
    /// error, although all records are written; after a failure, the error is added to the error of the
    /// restore. If the future of the restore was dropped, the error is logged.
    async fn finish_restore(&self, outcome: RestoreOutcome) -> Result<(), RepositoryError> {
        let _ = outcome;
        Ok(())
    }
}
