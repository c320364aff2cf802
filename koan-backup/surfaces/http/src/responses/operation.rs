//! Operations in the form of the original designs.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::links::Links;
use crate::operations::{Operation, OperationKind, OperationStatus};

/// An operation that a request started.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OperationDocument {
    /// The id of the operation.
    operation_id: String,
    /// The name of the backup that the operation makes or uses.
    backup_name: Option<String>,
    /// The id of the backup that the operation makes or uses, once it is known.
    backup_id: Option<String>,
    /// The storage profile of the backup, if the request selected one.
    storage_profile: Option<String>,
    /// What the operation does.
    #[schema(value_type = String)]
    kind: OperationKind,
    /// The state of the operation. `completed` and the states after it are final.
    #[schema(value_type = String)]
    status: OperationStatus,
    /// When the operation was accepted.
    created_at: Timestamp,
    /// When the work began. It is null while the operation waits for its turn.
    started_at: Option<Timestamp>,
    /// When the operation ended.
    completed_at: Option<Timestamp>,
    /// Who started the operation.
    triggered_by: String,
    /// Why the operation was started.
    reason: Option<String>,
    /// The address at which the operation can be read.
    status_url: String,
    /// The address at which the operation can be cancelled; null once it has ended.
    cancel_url: Option<String>,
    /// The address of the events of the operation.
    events_url: String,
    /// How far the work is.
    progress: ProgressDocument,
    /// Why the operation failed.
    error_message: Option<String>,
    /// The problem that ended the operation, in the form of an error response.
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
    /// The result, once the operation has completed. Backups of many event streams that failed have a result as well,
    /// with those that were made before. A list contains no results.
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
}

/// How far the work of an operation is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProgressDocument {
    /// How many entities (in each of their sets) are processed.
    entities_processed: u64,
    /// How many entities (in each of their sets) the work processes, if that is known.
    entities_total: Option<u64>,
    /// How many records are processed.
    records_processed: u64,
    /// How many bytes are processed.
    bytes_processed: u64,
    /// The percentage of the work, from 0 to 100. It never decreases.
    #[schema(minimum = 0, maximum = 100)]
    percent_complete: u8,
    /// The entity that the work processes.
    current_entity: Option<String>,
    /// When the work is expected to end.
    estimated_completion_at: Option<Timestamp>,
}

impl OperationDocument {
    pub(crate) fn new(operation: &Operation, links: &Links) -> Self {
        let (id, progress) = (operation.id.to_string(), &operation.progress);
        let backup_id = operation.backup_id.or(progress.backup_id);
        let status_url = links.to(&format!("/api/backup/operations/{id}"));
        Self {
            backup_name: operation.backup_name.clone(),
            backup_id: backup_id.map(|id| id.to_string()),
            storage_profile: operation.storage_profile.clone(),
            kind: operation.kind,
            status: operation.status,
            created_at: operation.created_at,
            started_at: operation.started_at,
            completed_at: operation.completed_at,
            triggered_by: operation.started_by.name.clone(),
            reason: operation.reason.clone(),
            cancel_url: (!operation.status.is_final()).then(|| format!("{status_url}/cancel")),
            events_url: format!("{status_url}/events"),
            status_url,
            progress: ProgressDocument {
                entities_processed: progress.entities_processed,
                entities_total: progress.entities_total,
                records_processed: progress.records_processed,
                bytes_processed: progress.bytes_processed,
                percent_complete: progress.percent_complete,
                current_entity: progress.current_entity.clone(),
                estimated_completion_at: progress.estimated_completion_at,
            },
            error_message: operation.error_message().map(str::to_owned),
            error: operation.error.clone(),
            result: operation.result.clone(),
            operation_id: id,
        }
    }
}
