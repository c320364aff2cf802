//! Tests `prepare_restore` and `finish_restore` of repositories: each restore that calls `prepare_restore` of
//! a repository also calls its `finish_restore`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use koan_backup::prelude::*;
use koan_backup::provider::conformance::{Line, Pair};
use koan_backup::{
    CancellationToken, Repositories, Repository, RepositoryError, RestoreOutcome, RestoreRequest,
};
use tokio::sync::watch;

use super::repositories::{SCOPE, key};

/// The maximum time that a test waits for a call.
const MAX_WAIT: Duration = Duration::from_secs(120);

/// The call of a repository that fails, hangs or is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    PrepareFails,
    PrepareHangs,
    WriteFails,
    WriteHangs,
    FinishFails,
    FinishPanics,
    FinishTakesTime,
}

/// The minimum duration of the call with [`Fault::FinishTakesTime`].
const FINISH_TIME: Duration = Duration::from_millis(500);

/// The state that the repositories of a test share.
struct Shared {
    fault: Mutex<Fault>,
    /// The calls that were made, in their order.
    calls: watch::Sender<Vec<String>>,
    requests: Mutex<Vec<RestoreRequest>>,
}

impl Shared {
    /// Records a call.
    fn log(&self, call: impl Into<String>) {
        self.calls.send_modify(|calls| calls.push(call.into()));
    }

    fn fault(&self) -> Fault {
        *self.fault.lock().expect("not poisoned")
    }

    /// Returns the recorded calls, and clears the list.
    fn take_calls(&self) -> Vec<String> {
        self.calls.send_replace(Vec::new())
    }

    /// Waits until the repositories have recorded this call.
    async fn until_called(&self, call: &str) {
        let mut calls = self.calls.subscribe();
        let called = calls.wait_for(|calls| calls.iter().any(|made| made == call));
        // The timeout only ends a test that would otherwise wait forever.
        let called = tokio::time::timeout(MAX_WAIT, called).await;
        called.expect("the call is made before the timeout").expect("the sender exists");
    }
}

/// A repository in memory that records its calls and can fail.
struct RecordingRepository<T> {
    name: &'static str,
    records: Mutex<BTreeMap<String, T>>,
    shared: Arc<Shared>,
    /// Whether the fault of the test applies to this repository.
    is_faulty: bool,
}

impl<T> RecordingRepository<T> {
    fn fault(&self) -> Fault {
        if self.is_faulty { self.shared.fault() } else { Fault::None }
    }
}

#[async_trait]
impl<T: koan_backup::Entity + Clone> Repository<T> for RecordingRepository<T> {
    fn all(&self) -> BoxStream<'_, Result<T, RepositoryError>> {
        let records: Vec<_> = self.records.lock().expect("not poisoned").values().cloned().map(Ok).collect();
        stream::iter(records).boxed()
    }

    async fn upsert_many(&self, records: Vec<T>) -> Result<(), RepositoryError> {
        self.shared.log(format!("write {}", self.name));
        match self.fault() {
            Fault::WriteFails => return Err("the write fails".into()),
            Fault::WriteHangs => std::future::pending().await,
            _ => {}
        }
        let mut all = self.records.lock().expect("not poisoned");
        for record in records {
            all.insert(key(&record)?, record);
        }
        Ok(())
    }

    async fn prepare_restore(&self, request: &RestoreRequest) -> Result<(), RepositoryError> {
        self.shared.requests.lock().expect("not poisoned").push(request.clone());
        self.shared.log(format!("prepare {}", self.name));
        match self.fault() {
            Fault::PrepareFails => Err("the preparation fails".into()),
            Fault::PrepareHangs => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn finish_restore(&self, outcome: RestoreOutcome) -> Result<(), RepositoryError> {
        // A call that is cancelled ends at this point and is not recorded.
        tokio::task::yield_now().await;
        self.shared.log(format!("finish {} {outcome:?}", self.name));
        match self.fault() {
            Fault::FinishFails => Err("the finish fails".into()),
            Fault::FinishPanics => panic!("the finish panics"),
            Fault::FinishTakesTime => {
                tokio::time::sleep(FINISH_TIME).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Creates a context with a backup of one line and one pair. Lines are restored first, and a fault applies to
/// the repository of pairs.
async fn fixture(backups: &Path) -> (Koan, Arc<Shared>) {
    let (calls, _) = watch::channel(Vec::new());
    let shared = Arc::new(Shared { fault: Mutex::new(Fault::None), calls, requests: Mutex::default() });
    let line = Line { id: 1, content: "one".to_owned() };
    let pair = Pair { owner: "a".to_owned(), number: 1, content: "first".to_owned() };
    let repositories = Repositories::new()
        .with(RecordingRepository {
            name: "lines",
            records: Mutex::new([(key(&line).expect("a key"), line)].into()),
            shared: Arc::clone(&shared),
            is_faulty: false,
        })
        .with(RecordingRepository {
            name: "pairs",
            records: Mutex::new([(key(&pair).expect("a key"), pair)].into()),
            shared: Arc::clone(&shared),
            is_faulty: true,
        });
    let koan = Koan::builder()
        .only_registered()
        .register::<Line>()
        .register::<Pair>()
        .register_scope(&SCOPE)
        .provider(repositories)
        .storage(Storage::local(backups).expect("a directory"))
        .build()
        .await
        .expect("a context");
    let _ = koan.backup("nightly").await.expect("a backup");
    change(&koan, &shared).await;
    (koan, shared)
}

/// Changes the records so that a restore must write both entities, and clears the recorded calls.
async fn change(koan: &Koan, shared: &Shared) {
    koan.data::<Line>().upsert_many([Line { id: 1, content: "other".to_owned() }]).await.expect("written");
    let pair = Pair { owner: "a".to_owned(), number: 1, content: "other".to_owned() };
    koan.data::<Pair>().upsert_many([pair]).await.expect("written");
    shared.take_calls();
    shared.requests.lock().expect("not poisoned").clear();
}

/// The calls of `finish_restore` after a restore that failed.
const FINISH_CALLS_AFTER_FAILURE: [&str; 2] = ["finish pairs Failed", "finish lines Failed"];

/// Returns the calls of `finish_restore`.
fn finish_calls(calls: &[String]) -> Vec<&str> {
    calls.iter().filter(|call| call.starts_with("finish")).map(String::as_str).collect()
}

#[tokio::test]
async fn each_prepared_repository_is_finished_after_a_success() {
    let backups = tempfile::tempdir().expect("a directory");
    let (koan, shared) = fixture(backups.path()).await;
    let _ = koan.restore("nightly").await.expect("restored");
    let calls = [
        "prepare lines",
        "write lines",
        "prepare pairs",
        "write pairs",
        "finish pairs Completed",
        "finish lines Completed",
    ];
    assert_eq!(shared.take_calls(), calls);
    let requests = std::mem::take(&mut *shared.requests.lock().expect("not poisoned"));
    assert!(requests.iter().all(|request| request.record_count == Some(1)), "{requests:?}");
    assert!(
        requests.iter().all(|request| request.size_bytes.is_some_and(|bytes| bytes > 10)),
        "{requests:?}"
    );
    assert_eq!(requests[0].conflict, ConflictMode::Overwrite);
    // A dry run and a viability check write nothing, so they prepare no repository.
    let _ = koan.restore("nightly").dry_run().await.expect("compared");
    let _ = koan.restore("nightly").viability().await.expect("assessed");
    assert_eq!(shared.take_calls(), Vec::<String>::new());
    // A restore prepares only the repositories that it restores.
    let _ = koan.restore("nightly").entity::<Line>().await.expect("restored");
    assert_eq!(shared.take_calls(), ["prepare lines", "finish lines Completed"]);
}

#[tokio::test]
async fn each_prepared_repository_is_finished_after_an_error() {
    let backups = tempfile::tempdir().expect("a directory");
    let (koan, shared) = fixture(backups.path()).await;
    for (fault, message) in
        [(Fault::WriteFails, "the write fails"), (Fault::PrepareFails, "the preparation fails")]
    {
        *shared.fault.lock().expect("not poisoned") = fault;
        let error = koan.restore("nightly").await.expect_err("a fault").chain();
        assert!(error.contains(message), "{error}");
        assert_eq!(finish_calls(&shared.take_calls()), FINISH_CALLS_AFTER_FAILURE, "{fault:?}");
        let pair = Pair { owner: "b".to_owned(), number: 1, content: "new".to_owned() };
        koan.data::<Pair>().upsert_many([pair]).await.expect_err("a fault");
        assert_eq!(finish_calls(&shared.take_calls()), &FINISH_CALLS_AFTER_FAILURE[..1], "{fault:?}");
    }
}

#[tokio::test]
async fn each_prepared_repository_is_finished_after_a_cancellation() {
    let backups = tempfile::tempdir().expect("a directory");
    let (koan, shared) = fixture(backups.path()).await;
    for (fault, call) in [(Fault::WriteHangs, "write pairs"), (Fault::PrepareHangs, "prepare pairs")] {
        *shared.fault.lock().expect("not poisoned") = fault;
        let token = CancellationToken::new();
        let restore = koan.restore("nightly").cancel_on(token.clone()).into_future();
        let (result, ()) = tokio::join!(restore, async {
            shared.until_called(call).await;
            token.cancel();
        });
        assert_eq!(result.expect_err("cancelled").kind(), ErrorKind::Cancelled, "{fault:?}");
        // The restore has waited for both calls of `finish_restore`.
        assert_eq!(finish_calls(&shared.take_calls()), FINISH_CALLS_AFTER_FAILURE, "{fault:?}");
    }
}

#[tokio::test]
async fn each_prepared_repository_is_finished_after_the_future_was_dropped() {
    let backups = tempfile::tempdir().expect("a directory");
    let (koan, shared) = fixture(backups.path()).await;
    for (fault, call) in [(Fault::WriteHangs, "write pairs"), (Fault::PrepareHangs, "prepare pairs")] {
        *shared.fault.lock().expect("not poisoned") = fault;
        let restore = koan.restore("nightly").into_future();
        tokio::select! {
            result = restore => panic!("the restore did not hang: {result:?}"),
            () = shared.until_called(call) => {}
        }
        shared.until_called(FINISH_CALLS_AFTER_FAILURE[1]).await;
        assert_eq!(finish_calls(&shared.take_calls()), FINISH_CALLS_AFTER_FAILURE, "{fault:?}");
    }
}

#[tokio::test]
async fn an_error_of_finish_restore_is_returned_and_the_other_repositories_are_finished() {
    let backups = tempfile::tempdir().expect("a directory");
    let (koan, shared) = fixture(backups.path()).await;
    for (fault, message) in
        [(Fault::FinishFails, "the finish fails"), (Fault::FinishPanics, "`finish_restore`")]
    {
        *shared.fault.lock().expect("not poisoned") = fault;
        let error = koan.restore("nightly").await.expect_err("a fault").chain();
        assert!(error.contains(message), "{error}");
        // The records stay in the database although `finish_restore` failed.
        let written = "all records of Line, Pair were written and remain";
        assert!(error.contains(written), "{error}");
        let completed = ["finish pairs Completed", "finish lines Completed"];
        assert_eq!(finish_calls(&shared.take_calls()), completed, "{fault:?}");
        *shared.fault.lock().expect("not poisoned") = Fault::None;
        change(&koan, &shared).await;
    }
}

#[tokio::test]
async fn the_duration_of_a_restore_includes_its_commit() {
    let backups = tempfile::tempdir().expect("a directory");
    let (koan, shared) = fixture(backups.path()).await;
    *shared.fault.lock().expect("not poisoned") = Fault::FinishTakesTime;
    let report = koan.restore("nightly").await.expect("restored");
    assert!(u128::from(report.duration_ms) >= FINISH_TIME.as_millis(), "{report:?}");
}
