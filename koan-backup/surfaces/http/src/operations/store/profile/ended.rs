//! The ends of operations.

use koan_backup_core::storage::Creation;
use koan_backup_core::{Error, ErrorKind, Result};

use super::ProfileOperationStore;
use super::documents::{ActiveDocument, EndedDocument, ProgressDocument, RequestDocument, to_json};
use crate::operations::identifier::OperationId;
use crate::operations::operation::{Cancellation, Operation};
use crate::operations::store::{Claim, Finished, OperationEnd};

/// The folder of operations that have ended.
pub(super) const ENDED: &str = "ended";
/// The maximum size of a result that is part of the record, and of each part of a larger one.
const MAX_PART_BYTES: usize = 1 << 18;

pub(super) fn ended_path(id: OperationId) -> String {
    format!("{ENDED}/{id}.json")
}

fn part_path(id: OperationId, number: u32) -> String {
    format!("results/{id}/{number}.json")
}

impl ProfileOperationStore {
    /// Records the end of an operation, unless it has one.
    pub(super) async fn record_end(
        &self,
        id: OperationId,
        claim: Claim,
        end: &OperationEnd,
    ) -> Result<Finished> {
        let request = self.read::<RequestDocument>(&ActiveDocument::Request.path(id)).await?;
        let Some(request) = request else {
            // The documents of an operation are removed after its end was recorded.
            self.forget(id);
            return Ok(match self.read_ended_with_result(id).await? {
                Some(operation) => Finished::Refused(Box::new(operation)),
                None => Finished::Missing,
            });
        };
        let progress = self.read::<ProgressDocument>(&ActiveDocument::Progress.path(id)).await?;
        let cancellation = self.read::<Cancellation>(&ActiveDocument::Cancellation.path(id)).await?;
        let lease = request.lease(progress.as_ref());
        let key = request.repetition_key.clone();
        let recorded = request.operation(progress, cancellation);
        let is_valid = match claim {
            Claim::Owner(owner) => lease.owner == owner,
            Claim::Expired(sighting) => lease == sighting,
        };
        if !is_valid {
            return Ok(Finished::Refused(Box::new(recorded)));
        }
        let mut operation = ended(recorded, end);
        let parts = self.write_result(&operation).await?;
        let result = if parts > 0 { operation.result.take() } else { None };
        let document = to_json(&EndedDocument::new(operation.clone(), parts, key))?;
        let created = self.folder.create(&ended_path(id), document).await?;
        self.forget(id);
        if let Err(error) = self.remove_active(id).await {
            // Whoever finds the documents later removes them.
            let text = "the documents of an operation that has ended were not removed";
            tracing::warn!(target: "koan::backup::http", operation = %id, %error, text);
        }
        match created {
            Creation::Created => {
                operation.result = result.or(operation.result);
                Ok(Finished::Recorded(Box::new(operation)))
            }
            Creation::AlreadyExists => Ok(match self.read_ended_with_result(id).await? {
                Some(operation) => Finished::Refused(Box::new(operation)),
                None => Finished::Missing,
            }),
        }
    }

    /// Reads the record of an operation that has ended.
    pub(super) async fn read_ended(&self, id: OperationId) -> Result<Option<EndedDocument>> {
        self.read::<EndedDocument>(&ended_path(id)).await
    }

    pub(super) async fn read_ended_with_result(&self, id: OperationId) -> Result<Option<Operation>> {
        let Some(document) = self.read_ended(id).await? else { return Ok(None) };
        let mut operation = document.operation;
        if document.result_parts > 0 {
            let mut result = Vec::new();
            for number in 0..document.result_parts {
                let path = part_path(id, number);
                let Some(part) = self.folder.get(&path).await? else {
                    let text = format!("`{path}`, a part of the result of operation {id}, does not exist");
                    return Err(Error::new(ErrorKind::Corrupt, text));
                };
                result.extend(part);
            }
            let damaged =
                |_| Error::new(ErrorKind::Corrupt, format!("the result of operation {id} is damaged"));
            operation.result = Some(serde_json::from_slice(&result).map_err(damaged)?);
        }
        Ok(Some(operation))
    }

    /// Removes the parts of a result.
    pub(super) async fn remove_result(&self, id: OperationId, parts: u32) -> Result<()> {
        for number in 0..parts {
            self.folder.delete(&part_path(id, number)).await?;
        }
        Ok(())
    }

    /// Writes a result that is too large for the record, and returns the number of its parts. Only the owner of an
    /// operation has a result, so no other process writes the same parts.
    async fn write_result(&self, operation: &Operation) -> Result<u32> {
        let Some(result) = &operation.result else { return Ok(0) };
        let result = to_json(result)?;
        if result.len() <= MAX_PART_BYTES {
            return Ok(0);
        }
        let mut number = 0;
        for part in result.chunks(MAX_PART_BYTES) {
            self.folder.put(&part_path(operation.id, number), part).await?;
            number += 1;
        }
        Ok(number)
    }

    fn forget(&self, id: OperationId) {
        self.owned().remove(&id);
    }
}

/// Returns the record of an operation with its end.
fn ended(mut operation: Operation, end: &OperationEnd) -> Operation {
    operation.status = end.status;
    operation.error = end.error.clone();
    operation.result = end.result.clone();
    operation.sequence = (operation.sequence + 1).max(end.sequence.unwrap_or_default());
    if let Some(progress) = &end.progress {
        operation.progress = progress.clone();
    }
    if operation.cancellation.is_none() {
        operation.cancellation = end.cancellation.clone();
    }
    let began = operation.started_at.unwrap_or(operation.created_at).max(operation.created_at);
    operation.completed_at = Some(end.completed_at.max(began));
    operation
}
