//! Orders: what a caller asks for, validated, and the operation that carries it out.
//!
//! The routes of the API and the forms of the web page create the same orders, so that both check the same and start the
//! same work.

mod backup;
mod restore;
mod retention;
mod storage;
mod streams;

use std::sync::Arc;

use futures::future::BoxFuture;
use koan_backup_core::archive::Manifest;
use koan_backup_core::{BackupId, Error, ErrorKind, Result};
use serde::Serialize;

use crate::access::{Principal, Role};
use crate::operations::{
    Initiator, NewOperation, OperationKind, SubmissionOrigin, Submitted, WorkContext, WorkResult,
};
use crate::problem::{Problem, ProblemKind};
use crate::state::Shared;

pub(crate) use restore::{
    BackupSelection, Confirmation, RestoreRequest, ViabilityRequest, restore_targets, targets_of,
};
pub(crate) use retention::{RetentionOrder, plan_hash, plan_retention};
pub(crate) use storage::{CopyOrder, MaintenanceOrder, RecoverOrder, RekeyOrder, VerifyOrder};
pub(crate) use streams::{
    StreamBackupOrder, StreamBackupsOrder, StreamCleanupOrder, StreamRestoreOrder, StreamVerifyOrder,
};

/// The maximum length of an idempotency key.
const MAX_KEY_LENGTH: usize = 255;

/// What a caller asks for, validated as far as it can be without the application's data.
///
/// It is serialized in order to compare a repeated request with the first one.
pub(crate) trait Order: Serialize + Send + Sync {
    /// Returns the kind of the operation.
    fn kind(&self) -> OperationKind;

    /// Returns the role that the caller needs.
    fn role(&self) -> Role;

    /// Resolves the names in the order, and returns what the operation does. Mistakes are errors of the request, so that
    /// no operation is recorded for them.
    fn prepare(
        self,
        shared: &Arc<Shared>,
        principal: &Principal,
    ) -> impl Future<Output = Result<Prepared, Problem>> + Send;
}

/// What an operation does, and what its record says about it.
pub(crate) struct Prepared {
    backup_name: Option<String>,
    backup_id: Option<BackupId>,
    storage_profile: Option<String>,
    providers: Vec<String>,
    reason: Option<String>,
    work: Work,
}

type Work = Box<dyn FnOnce(WorkContext) -> BoxFuture<'static, Result<WorkResult>> + Send>;

impl Prepared {
    /// Creates an operation that does `work`.
    fn new<F>(work: impl FnOnce(WorkContext) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<WorkResult>> + Send + 'static,
    {
        Self {
            backup_name: None,
            backup_id: None,
            storage_profile: None,
            providers: Vec::new(),
            reason: None,
            work: Box::new(move |context| Box::pin(work(context))),
        }
    }

    /// Sets the backup that the operation reads, and its storage profile if one was selected.
    fn of(mut self, manifest: &Manifest, profile: Option<String>) -> Self {
        self.storage_profile = profile;
        self.backup_name = Some(manifest.name.to_string());
        self.backup_id = Some(manifest.id);
        self
    }
}

/// Carries out an order: starts its operation, or returns that of an earlier request with the same idempotency key.
///
/// The names in an order are resolved only for a new operation, because they may refer to something else when a request
/// is repeated.
///
/// # Errors
/// The role of the caller does not permit it, the order is not valid, or the operation cannot be started.
pub(crate) async fn submit(
    shared: &Arc<Shared>,
    principal: &Principal,
    key: Option<&str>,
    order: impl Order,
) -> Result<Submitted, Problem> {
    principal.require(order.role())?;
    let initiator = Initiator { name: principal.identity(), role: principal.role().to_string() };
    let mut operation = NewOperation::new(order.kind(), initiator);
    if let Some(key) = key {
        let is_visible = key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if key.is_empty() || key.len() > MAX_KEY_LENGTH || !is_visible {
            let text = format!("`Idempotency-Key` must have 1 to {MAX_KEY_LENGTH} visible ASCII characters");
            return Err(Problem::new(ProblemKind::Malformed, text));
        }
        let request = serde_json::to_vec(&(order.kind(), &order)).map_err(|_| {
            Problem::new(ProblemKind::Internal, "the request could not be compared with earlier requests")
        })?;
        operation = operation.idempotency_key(key, &request);
    }
    if let Some(operation) = shared.operations.repeated(&operation).await? {
        return Ok(Submitted { operation, origin: SubmissionOrigin::Repeated });
    }
    let Prepared { backup_name, backup_id, storage_profile, providers, reason, work } =
        order.prepare(shared, principal).await?;
    operation = operation.providers(providers);
    if let Some(name) = backup_name {
        operation = operation.backup_name(name);
    }
    if let Some(id) = backup_id {
        operation = operation.backup_id(id);
    }
    if let Some(profile) = storage_profile {
        operation = operation.storage_profile(profile);
    }
    if let Some(reason) = reason {
        operation = operation.reason(reason);
    }
    shared.operations.submit(operation, work).await
}

/// Returns the result of work that succeeded.
fn succeeded(result: &impl Serialize, findings: Findings) -> Result<WorkResult> {
    let result = serde_json::to_value(result).map_err(|error| {
        Error::with_source(ErrorKind::Internal, "the result of the operation could not be serialized", error)
    })?;
    Ok(match findings {
        Findings::None => WorkResult::completed(result),
        Findings::Some => WorkResult::completed_with_warnings(result),
    })
}

/// Returns the result of work that concerned single backups. What is encrypted in the backups is not part of the
/// record.
fn reported(shared: &Shared, report: &impl Serialize, findings: Findings) -> Result<WorkResult> {
    succeeded(report, findings)
        .map(|result| result.with_value(|value| crate::streams::hide_encrypted(shared, value)))
}

/// Whether a report contains something that a person should read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Findings {
    /// The report contains only what was expected.
    None,
    /// The report contains warnings.
    Some,
}

impl Findings {
    /// Returns `None` if every list of a report is empty.
    fn unless_empty(are_empty: impl IntoIterator<Item = bool>) -> Self {
        if are_empty.into_iter().all(|is_empty| is_empty) { Self::None } else { Self::Some }
    }
}

/// Returns a problem if there is no storage profile with this name.
pub(crate) fn require_profile(shared: &Shared, profile: &str) -> Result<(), Problem> {
    let profiles = shared.koan.capabilities().profiles;
    if profiles.iter().any(|known| known.name == profile) {
        return Ok(());
    }
    let names: Vec<_> = profiles.iter().map(|known| format!("`{}`", known.name)).collect();
    Err(Problem::new(ProblemKind::NotFound, "no storage profile has the name in the request")
        .with_help(format!("the storage profiles are {}", names.join(", "))))
}
