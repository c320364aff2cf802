//! Records a new operation and adds it to the queue.

use std::sync::Arc;

use tokio::time::Instant;

use super::active::ActiveOperation;
use super::driver;
use super::identifier::OperationId;
use super::operation::{Operation, OperationStatus};
use super::process::Process;
use super::progress::Progress;
use super::queue::Refusal;
use super::request::{NewOperation, SubmissionOrigin, Submitted};
use super::store::Created;
use super::work::Work;
use crate::problem::{Problem, ProblemKind};

/// After how many seconds a request that found a full queue can be repeated.
const RETRY_AFTER_SECONDS: u64 = 5;

/// Records a new operation and adds it to the queue. It runs on a task of its own, so that a request which ends
/// meanwhile leaves no operation without work.
pub(super) async fn submit(
    process: Arc<Process>,
    request: NewOperation,
    work: Work,
) -> Result<Submitted, Problem> {
    let submitted = tokio::spawn(record_and_enqueue(process, request, work)).await;
    submitted.unwrap_or_else(|_| {
        Err(Problem::new(ProblemKind::Internal, "recording the operation ended unexpectedly"))
    })
}

async fn record_and_enqueue(
    process: Arc<Process>,
    request: NewOperation,
    work: Work,
) -> Result<Submitted, Problem> {
    if process.queue.is_stopping() {
        return Err(refused(Refusal::Stopping));
    }
    let repetition = request.repetition.clone();
    // A repeated request needs no place in the queue.
    if let Some(repetition) = &repetition
        && let Some(created) = process.store.find_repeated(repetition).await.map_err(not_recorded)?
        && let Some(answer) = repeated(created)
    {
        return answer;
    }
    let place = process.queue.reserve().map_err(refused)?;
    let operation = new_record(&process, request);
    let lease_time = process.limits.lease_time;
    let lease_until = Instant::now() + lease_time;
    let created =
        process.store.create(&operation, lease_time, repetition.as_ref()).await.map_err(not_recorded)?;
    if let Some(answer) = repeated(created) {
        return answer;
    }
    let active = Arc::new(ActiveOperation::new(operation.clone(), Arc::clone(process.clock()), lease_until));
    let entered = process.queue.enter(place, &active);
    // The driver also records the cancellation of an operation that was refused after it was recorded.
    tokio::spawn(driver::drive(process, active, work));
    entered.map_err(refused)?;
    Ok(Submitted { operation, origin: SubmissionOrigin::Started })
}

/// Returns the operation of an earlier request with the same idempotency key and content.
pub(super) async fn find_repeated(
    process: &Process,
    request: &NewOperation,
) -> Result<Option<Operation>, Problem> {
    let Some(repetition) = &request.repetition else { return Ok(None) };
    let created = process.store.find_repeated(repetition).await.map_err(not_recorded)?;
    created.and_then(repeated).transpose().map(|submitted| submitted.map(|submitted| submitted.operation))
}

/// Returns the answer to a request that was made before, and `None` for a new operation.
fn repeated(created: Created) -> Option<Result<Submitted, Problem>> {
    match created {
        Created::New => None,
        Created::Repeated(operation) => {
            Some(Ok(Submitted { operation: *operation, origin: SubmissionOrigin::Repeated }))
        }
        Created::OtherRequest(id) => {
            let text =
                format!("the idempotency key was used for operation {id}, which another request started");
            Some(Err(Problem::new(ProblemKind::Invalid, text).with_help("use a new key for another request")))
        }
    }
}

fn new_record(process: &Process, request: NewOperation) -> Operation {
    Operation {
        id: OperationId::new(),
        kind: request.kind,
        status: OperationStatus::Queued,
        backup_name: request.backup_name,
        backup_id: request.backup_id,
        storage_profile: request.storage_profile,
        providers: request.providers,
        started_by: request.started_by,
        reason: request.reason,
        created_at: process.now(),
        started_at: None,
        completed_at: None,
        cancellation: None,
        progress: Progress::default(),
        error: None,
        result: None,
        owner: process.owner.clone(),
        sequence: 1,
    }
}

fn not_recorded(error: koan_backup_core::Error) -> Problem {
    error.context("the operation cannot be recorded, so it was not started").into()
}

fn refused(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Full => Problem::new(ProblemKind::TooManyRequests, "the queue of operations is full")
            .with_help("try again when an operation has ended")
            .retry_after(RETRY_AFTER_SECONDS),
        Refusal::Stopping => {
            Problem::new(ProblemKind::Unavailable, "the server is stopping and starts no operation")
                .retry_after(RETRY_AFTER_SECONDS)
        }
    }
}
