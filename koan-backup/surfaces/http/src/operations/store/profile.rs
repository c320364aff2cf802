//! The store of operations in the default storage profile, which several replicas share.
//!
//! | document | written by |
//! |---|---|
//! | `active/{id}/request.json` | the owner, once |
//! | `active/{id}/progress.json` | the owner, which replaces it; it contains the number of renewals |
//! | `active/{id}/cancel.json` | whoever requests a cancellation, once |
//! | `ended/{id}.json` | whoever records the end, once: it is the one end of the operation, with the whole record |
//! | `results/{id}/{number}.json` | the owner, before the end: the parts of a result that is too large for the end |
//! | `keys/{hash}.json` | the owner of the operation with this repetition key, once |
//!
//! Documents below `active` that remain after the end are removed by whoever finds them.

mod documents;
mod ended;
mod keys;
mod pages;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use koan_backup_core::storage::{Creation, SharedFolder};
use koan_backup_core::{Error, ErrorKind, Koan, Result};
use sha2::{Digest as _, Sha256};

use self::documents::{ActiveDocument, ProgressDocument, RequestDocument, parse, to_json};
use super::{
    Claim, Created, Finished, Held, LeaseSighting, OperationEnd, OperationPage, OperationQuery,
    OperationStore, Renewal,
};
use crate::operations::identifier::{OperationId, OwnerId};
use crate::operations::limits::HistoryLimits;
use crate::operations::operation::{Cancellation, Operation, OperationStatus};
use crate::operations::request::RepetitionKey;

/// The store of operations in the default storage profile.
///
/// A conditional write creates the end of an operation, so that there is only one. The lease of an expired claim is
/// read before this write and not with it: an owner that renews its lease in this moment finds its operation ended, and
/// stops.
#[derive(Debug)]
pub(crate) struct ProfileOperationStore {
    folder: SharedFolder,
    /// The progress documents of the operations that this process owns. A process has one store and is one owner.
    owned: Mutex<HashMap<OperationId, ProgressDocument>>,
}

impl ProfileOperationStore {
    /// Opens the operations of the application of a context.
    ///
    /// # Errors
    /// The context has no default storage profile.
    pub(crate) fn open(koan: &Koan) -> Result<Self> {
        let identity = koan.identity();
        // Another application that uses the same profile has other operations.
        let hash = Sha256::digest(format!("{}\n{}", identity.application(), identity.environment()));
        let suffix: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let folder = koan.shared_folder(&format!("operations-{suffix}"))?;
        Ok(Self { folder, owned: Mutex::default() })
    }

    #[cfg(test)]
    pub(in crate::operations) fn folder(&self) -> &SharedFolder {
        &self.folder
    }

    fn owned(&self) -> MutexGuard<'_, HashMap<OperationId, ProgressDocument>> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the documents of an operation that has not ended.
    async fn read_active(&self, id: OperationId) -> Result<Option<Operation>> {
        let Some(request) = self.read::<RequestDocument>(&ActiveDocument::Request.path(id)).await? else {
            return Ok(None);
        };
        let progress = self.read::<ProgressDocument>(&ActiveDocument::Progress.path(id)).await?;
        let cancellation = self.read::<Cancellation>(&ActiveDocument::Cancellation.path(id)).await?;
        Ok(Some(request.operation(progress, cancellation)))
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let content = self.folder.get(path).await?;
        content.map(|content| parse(path, self.folder.location(), &content)).transpose()
    }

    /// Replaces the progress document of an operation of this process.
    async fn write_progress(&self, id: OperationId, document: ProgressDocument) -> Result<()> {
        self.folder.put(&ActiveDocument::Progress.path(id), to_json(&document)?).await?;
        // An operation that has ended meanwhile is not added again.
        if let Some(known) = self.owned().get_mut(&id) {
            *known = document;
        }
        Ok(())
    }

    /// Removes the documents of an operation that has ended. The request is the last one.
    async fn remove_active(&self, id: OperationId) -> Result<()> {
        for document in [ActiveDocument::Progress, ActiveDocument::Cancellation, ActiveDocument::Request] {
            self.folder.delete(&document.path(id)).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl OperationStore for ProfileOperationStore {
    async fn create(
        &self,
        operation: &Operation,
        lease_time: Duration,
        repetition: Option<&RepetitionKey>,
    ) -> Result<Created> {
        let id = operation.id;
        if let Some(repetition) = repetition
            && let Some(created) = self.find_repeated(repetition).await?
        {
            return Ok(created);
        }
        // The request precedes the key, so that a key always refers to an operation.
        let request = RequestDocument::new(operation, lease_time, repetition);
        let created = self.folder.create(&ActiveDocument::Request.path(id), to_json(&request)?).await?;
        if created == Creation::AlreadyExists {
            return Err(Error::new(ErrorKind::Conflict, format!("operation {id} exists already")));
        }
        if let Some(repetition) = repetition
            && let Some(other) = self.claim_key(id, repetition).await?
        {
            self.remove_active(id).await?;
            return Ok(other);
        }
        self.owned().insert(id, ProgressDocument::new(operation));
        Ok(Created::New)
    }

    async fn find_repeated(&self, repetition: &RepetitionKey) -> Result<Option<Created>> {
        self.operation_of_key(repetition).await
    }

    async fn start(
        &self,
        id: OperationId,
        owner: OwnerId,
        at: Timestamp,
        sequence: u64,
    ) -> Result<OperationStatus> {
        let Some(operation) = self.get(id).await? else {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("the record of operation {id} has disappeared"),
            ));
        };
        let document = self.owned().get(&id).cloned();
        match document {
            Some(mut document)
                if operation.status == OperationStatus::Queued && operation.owner.id == owner =>
            {
                document.started_at = Some(at);
                document.renewals += 1;
                document.sequence = document.sequence.max(sequence);
                self.write_progress(id, document).await?;
                Ok(OperationStatus::Running)
            }
            _ => Ok(operation.status),
        }
    }

    async fn renew(&self, _: OwnerId, renewals: Vec<Renewal>) -> Result<()> {
        for renewal in renewals {
            let document = self.owned().get(&renewal.id).cloned();
            let Some(mut document) = document else { continue };
            document.renewals += 1;
            document.sequence = document.sequence.max(renewal.sequence);
            if let Some(progress) = renewal.progress {
                document.progress = progress;
            }
            self.write_progress(renewal.id, document).await?;
        }
        Ok(())
    }

    async fn held(&self, _: OwnerId) -> Result<Vec<Held>> {
        let mut held = Vec::new();
        for (id, documents) in self.active().await? {
            if !documents.contains(&ActiveDocument::Request) || !self.owned().contains_key(&id) {
                continue;
            }
            let cancellation = match documents.contains(&ActiveDocument::Cancellation) {
                true => self.read::<Cancellation>(&ActiveDocument::Cancellation.path(id)).await?,
                false => None,
            };
            held.push(Held { id, cancellation });
        }
        Ok(held)
    }

    async fn request_cancellation(
        &self,
        id: OperationId,
        cancellation: &Cancellation,
    ) -> Result<Option<Operation>> {
        match self.get(id).await? {
            Some(operation) if !operation.status.is_final() => {
                // An earlier request stays recorded.
                let _: Creation = self
                    .folder
                    .create(&ActiveDocument::Cancellation.path(id), to_json(cancellation)?)
                    .await?;
                self.get(id).await
            }
            found => Ok(found),
        }
    }

    async fn finish(&self, id: OperationId, claim: Claim, end: &OperationEnd) -> Result<Finished> {
        self.record_end(id, claim, end).await
    }

    async fn get(&self, id: OperationId) -> Result<Option<Operation>> {
        if let Some(ended) = self.read_ended_with_result(id).await? {
            return Ok(Some(ended));
        }
        match self.read_active(id).await? {
            Some(operation) => Ok(Some(operation)),
            // The operation may have ended between the two reads.
            None => self.read_ended_with_result(id).await,
        }
    }

    async fn list(&self, query: &OperationQuery) -> Result<OperationPage> {
        self.list_page(query).await
    }

    async fn leases(&self) -> Result<Vec<LeaseSighting>> {
        let mut leases = Vec::new();
        for (id, _) in self.active().await? {
            let request = self.read::<RequestDocument>(&ActiveDocument::Request.path(id)).await?;
            let Some(request) = request else { continue };
            let progress = self.read::<ProgressDocument>(&ActiveDocument::Progress.path(id)).await?;
            leases.push(request.lease(progress.as_ref()));
        }
        Ok(leases)
    }

    async fn purge(&self, history: &HistoryLimits, now: Timestamp) -> Result<u64> {
        self.remove_old(history, now).await
    }
}
