//! Operations whose work is that of a context.

use std::sync::Arc;

use futures::FutureExt as _;
use koan_backup::prelude::*;
use koan_backup::{Event, Memory};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::fixture::{Fixture, backup};
use crate::operations::{NewOperation, Operation, OperationKind, OperationStatus, WorkContext, WorkResult};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
struct Planet {
    id: i64,
    name: String,
}

async fn context(state: &TempDir) -> Koan {
    let koan = Koan::builder()
        .provider(Memory::new())
        .storage(Storage::memory())
        .state_directory(state.path())
        .application("orrery")
        .build()
        .await
        .expect("a context");
    let planets = (1..=2500).map(|id| Planet { id, name: format!("planet {id}") });
    koan.data::<Planet>().upsert_many(planets).await.expect("the planets");
    koan
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_progress_of_a_backup_and_its_result_are_recorded() {
    let (fixture, state) = (Fixture::new(), tempfile::tempdir().expect("a directory"));
    let (operations, koan) = (fixture.operations().await, context(&state).await);
    let made = koan.clone();
    let work = move |context: WorkContext| {
        async move {
            let report =
                made.backup("nightly").on_event(context.listener()).cancel_on(context.cancel_token()).await?;
            Ok(WorkResult::completed(serde_json::json!({"id": report.id(), "records": report.item_count()})))
        }
        .boxed()
    };
    let id = operations.submit(backup(), work).await.expect("accepted").operation.id;
    let ended = operations.wait(id).await.expect("it ends");
    assert_eq!(ended.status, OperationStatus::Completed, "{ended:?}");
    let published = koan.backups().await.expect("the backups");
    let progress = &ended.progress;
    assert_eq!(progress.backup_id, Some(published[0].id));
    assert_eq!((progress.records_processed, progress.percent_complete), (2500, 100));
    assert_eq!((progress.entities_processed, progress.entities_total), (1, Some(1)));
    assert!(progress.bytes_processed > 2500 && progress.current_entity.is_none(), "{progress:?}");
    assert_eq!(ended.result, Some(serde_json::json!({"id": published[0].id, "records": 2500})));

    let restored = koan.clone();
    let backup_id = published[0].id;
    let work = move |context: WorkContext| {
        async move {
            let restore = restored.restore(backup_id).on_event(context.listener());
            let _ = restore.cancel_on(context.cancel_token()).await?;
            Ok(WorkResult::completed(serde_json::Value::Null))
        }
        .boxed()
    };
    let request = NewOperation::new(OperationKind::Restore, super::fixture::ada()).backup_id(backup_id);
    let id = operations.submit(request, work).await.expect("accepted").operation.id;
    let ended = operations.wait(id).await.expect("it ends");
    assert_eq!(ended.status, OperationStatus::Completed, "{ended:?}");
    assert_eq!((ended.progress.records_processed, ended.progress.percent_complete), (2500, 100));
    assert_eq!((ended.backup_id, ended.progress.backup_id), (Some(backup_id), Some(backup_id)));
}

/// Starts a backup that is verified afterwards, cancels it at the first event for which `is_moment` returns `true`, and
/// returns how it ended.
async fn cancelled_at(fixture: &Fixture, koan: &Koan, is_moment: fn(&Event) -> bool) -> Operation {
    let operations = fixture.operations().await;
    let (made, moment) = (koan.clone(), CancellationToken::new());
    let reached_moment = moment.clone();
    let work = move |context: WorkContext| {
        async move {
            let (listen, stop) = (context.listener(), context.cancel_token());
            let stopped = stop.clone();
            let wait_for_cancellation = move |event: &Event| {
                listen(event);
                if is_moment(event) {
                    reached_moment.cancel();
                    while !stopped.is_cancelled() {
                        std::thread::yield_now();
                    }
                }
            };
            let backup = made.backup("nightly").verify_after().on_event(wait_for_cancellation);
            let _ = backup.cancel_on(stop).await?;
            Ok(WorkResult::completed(serde_json::Value::Null))
        }
        .boxed()
    };
    let id = operations.submit(backup(), work).await.expect("accepted").operation.id;
    moment.cancelled().await;
    operations.cancel(id, "ada").await.expect("the cancellation is accepted");
    operations.wait(id).await.expect("it ends")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_backup_publishes_nothing() {
    let (fixture, state) = (Fixture::new(), tempfile::tempdir().expect("a directory"));
    let koan = context(&state).await;
    let ended = cancelled_at(&fixture, &koan, |event| matches!(event, Event::EntityStarted { .. })).await;
    assert_eq!(ended.status, OperationStatus::Cancelled, "{ended:?}");
    assert!(koan.backups().await.expect("the backups").is_empty(), "nothing was published");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_backup_whose_verification_is_cancelled_is_not_cancelled() {
    let (fixture, state) = (Fixture::new(), tempfile::tempdir().expect("a directory"));
    let koan = context(&state).await;
    let is_moment = |event: &Event| matches!(event, Event::VerificationStarted { .. });
    let ended = cancelled_at(&fixture, &koan, is_moment).await;
    assert_eq!(koan.backups().await.expect("the backups").len(), 1, "the backup is published");
    assert_eq!(ended.status, OperationStatus::Failed, "{ended:?}");
    assert!(ended.error_message().is_some_and(|text| text.contains("was published")), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_of_an_unknown_backup_is_failed_with_its_kind() {
    let (fixture, state) = (Fixture::new(), tempfile::tempdir().expect("a directory"));
    let (operations, koan) = (fixture.operations().await, Arc::new(context(&state).await));
    let work = move |context: WorkContext| {
        async move {
            let _ = koan.restore("weekly").cancel_on(context.cancel_token()).await?;
            Ok(WorkResult::completed(serde_json::Value::Null))
        }
        .boxed()
    };
    let request = NewOperation::new(OperationKind::Restore, super::fixture::ada()).backup_name("weekly");
    let id = operations.submit(request, work).await.expect("accepted").operation.id;
    let ended = operations.wait(id).await.expect("it ends");
    assert_eq!(ended.status, OperationStatus::Failed);
    assert_eq!(ended.error.expect("a problem")["type"], "urn:koan-backup:problem:not-found");
}
