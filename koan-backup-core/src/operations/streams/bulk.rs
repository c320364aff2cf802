//! Backs up or restores many aggregates, each for itself: a failure concerns one aggregate.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, FuturesUnordered, StreamExt as _};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::backup::{announced, backup_from};
use super::options::StreamBackupOptions;
use super::plan::plan;
use super::progress::{BulkProgress, Callback};
use super::read::identities_for;
use super::restore::{self, StreamRestoreOptions, StreamRestoreReport};
use super::snapshots::{IdleSnapshots, events_of};
use crate::catalog::stream_backups::{StreamBackupHandle, StreamBackupRef, find_listed, list};
use crate::environment::Environment;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::provider::event_store::EventReader as _;

/// How many object ids are listed at a time.
const PAGE_LENGTH: usize = 1_000;
/// How many aggregates are processed at the same time by default.
const DEFAULT_CONCURRENCY: usize = 4;

/// What happens after an aggregate has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    /// Aggregates that were begun are finished, and no other is begun.
    #[default]
    Stop,
    Continue,
}

/// The options of an operation on many aggregates.
#[derive(Clone, Debug)]
pub(crate) struct BulkOptions {
    pub(crate) max_concurrency: usize,
    pub(crate) after_failure: AfterFailure,
    pub(crate) progress: Callback<BulkProgress>,
    pub(crate) cancel: CancellationToken,
}

impl Default for BulkOptions {
    fn default() -> Self {
        Self {
            max_concurrency: DEFAULT_CONCURRENCY,
            after_failure: AfterFailure::default(),
            progress: Callback::default(),
            cancel: CancellationToken::new(),
        }
    }
}

/// An aggregate that could not be backed up or restored.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BulkFailure {
    /// The object name, if it is known.
    pub object: Option<String>,
    /// The object id, if it is known.
    pub object_id: Option<String>,
    /// The backup, if it was to be restored.
    pub backup: Option<BackupId>,
    /// Why it failed.
    #[serde(serialize_with = "as_text")]
    pub error: Error,
}

fn as_text<S: serde::Serializer>(error: &Error, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&error.chain())
}

/// The report of the backup of many aggregates.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BulkBackupReport {
    /// The backups that were made, in the order of the aggregates.
    pub handles: Vec<StreamBackupHandle>,
    /// The number of all aggregates.
    pub total: usize,
    failures: Vec<BulkFailure>,
}

/// The report of the restore of many single backups.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BulkRestoreReport {
    /// The reports of the restores that succeeded, in the order of the backups.
    pub restored: Vec<StreamRestoreReport>,
    /// The number of all backups.
    pub total: usize,
    failures: Vec<BulkFailure>,
}

macro_rules! bulk_report {
    ($report:ty, $done:ident) => {
        impl $report {
            /// Returns the number of aggregates that succeeded.
            pub fn succeeded(&self) -> usize {
                self.$done.len()
            }

            /// Returns the number of aggregates that failed.
            pub fn failed(&self) -> usize {
                self.failures.len()
            }

            /// Returns the number of aggregates that were not begun, because an earlier one failed.
            pub fn not_started(&self) -> usize {
                self.total.saturating_sub(self.$done.len() + self.failures.len())
            }

            /// Returns whether all aggregates succeeded. This is also the case if there were none.
            pub fn is_fully_successful(&self) -> bool {
                self.$done.len() == self.total
            }

            /// Returns whether some aggregates succeeded and others did not.
            pub fn is_partial(&self) -> bool {
                !self.$done.is_empty() && !self.is_fully_successful()
            }

            /// Returns whether there were aggregates, and none succeeded.
            pub fn is_fully_failed(&self) -> bool {
                self.total > 0 && self.$done.is_empty()
            }

            /// Returns the aggregates that failed, in their order.
            pub fn failures(&self) -> &[BulkFailure] {
                &self.failures
            }

            /// Returns the report if all aggregates succeeded.
            ///
            /// # Errors
            /// The first failure, with the number of the others.
            pub fn require_success(mut self) -> Result<Self> {
                if self.is_fully_successful() {
                    return Ok(self);
                }
                let (failed, not_started, total) = (self.failed(), self.not_started(), self.total);
                let text = format!("{failed} of {total} aggregates failed, and {not_started} were not begun");
                Err(match self.failures.is_empty() {
                    true => Error::new(ErrorKind::Cancelled, text),
                    false => self.failures.swap_remove(0).error.context(text),
                })
            }
        }
    };
}

bulk_report!(BulkBackupReport, handles);
bulk_report!(BulkRestoreReport, restored);

/// Makes a single backup of each of these aggregates.
///
/// # Errors
/// Nothing was begun: the object name or the storage profile does not exist, or the options are not valid.
pub(crate) async fn backup_many(
    environment: &Environment,
    object: &str,
    ids: Vec<String>,
    options: &StreamBackupOptions,
    bulk: &BulkOptions,
) -> Result<BulkBackupReport> {
    let plan = plan(environment, object, options)?;
    let options = &StreamBackupOptions { cancel: bulk.cancel.clone(), ..options.clone() };
    let (plan, snapshots) = (&plan, &IdleSnapshots::default());
    let backup = async |id: &String| {
        let work = async {
            let snapshot = until_cancelled(&bulk.cancel, snapshots.take(&plan.of)).await?;
            let handle = backup_from(environment, plan, id, options, snapshot.as_ref()).await?;
            snapshots.put_back(snapshot);
            Ok(handle)
        };
        announced(environment, object, work).await
    };
    let failure = |id: &String, error| BulkFailure {
        object: Some(object.to_owned()),
        object_id: Some(id.clone()),
        backup: None,
        error,
    };
    let (handles, failures) = run(&ids, bulk, backup, failure).await;
    Ok(BulkBackupReport { handles, total: ids.len(), failures })
}

/// Makes a single backup of every aggregate with an object name.
///
/// # Errors
/// As for [`backup_many`], or the aggregates cannot be listed.
pub(crate) async fn backup_all(
    environment: &Environment,
    object: &str,
    options: &StreamBackupOptions,
    bulk: &BulkOptions,
) -> Result<BulkBackupReport> {
    let of = plan(environment, object, options)?.of;
    let listed = async {
        let snapshot = of.provider.snapshot().await?;
        let reader = events_of(snapshot.as_ref(), &of)?;
        let mut ids: Vec<String> = Vec::new();
        loop {
            let page = reader.object_ids(object, ids.last().map(String::as_str), PAGE_LENGTH).await?;
            if page.is_empty() {
                return Ok(ids);
            }
            ids.extend(page);
        }
    };
    let ids = until_cancelled(&bulk.cancel, listed).await?;
    backup_many(environment, object, ids, options, bulk).await
}

/// Restores each of these single backups.
///
/// # Errors
/// Two of the backups belong to the same aggregate, or the storage of backups that are passed as ids cannot be listed.
/// Nothing was begun then.
pub(crate) async fn restore_many(
    environment: &Environment,
    backups: &[StreamBackupRef],
    options: &StreamRestoreOptions,
    bulk: &BulkOptions,
) -> Result<BulkRestoreReport> {
    let found = find_handles(environment, options.profile.as_deref(), backups, bulk.max_concurrency);
    let backups = match until_cancelled(&bulk.cancel, Box::pin(found)).await {
        Ok(backups) => backups,
        // No restore is begun after a cancellation.
        Err(error) if error.kind() == ErrorKind::Cancelled => backups.to_vec(),
        Err(error) => return Err(error),
    };
    require_distinct_aggregates(&backups)?;
    let options = &StreamRestoreOptions { cancel: bulk.cancel.clone(), ..options.clone() };
    let restore = async |backup: &StreamBackupRef| restore::restore_one(environment, backup, options).await;
    let failure = |backup: &StreamBackupRef, error| {
        let handle = match backup {
            StreamBackupRef::Handle(handle) => Some(handle),
            StreamBackupRef::Id(_) => None,
        };
        BulkFailure {
            object: handle.map(|handle| handle.object.clone()),
            object_id: handle.and_then(|handle| handle.object_id.clone()),
            backup: Some(backup.id()),
            error,
        }
    };
    let (restored, failures) = run(&backups, bulk, restore, failure).await;
    options.turns.release().await;
    Ok(BulkRestoreReport { restored, total: backups.len(), failures })
}

/// Returns the handles of backups that are passed as ids. What is not found or cannot be read stays an id, and fails in
/// its turn.
async fn find_handles(
    environment: &Environment,
    profile: Option<&str>,
    backups: &[StreamBackupRef],
    concurrency: usize,
) -> Result<Vec<StreamBackupRef>> {
    if !backups.iter().any(|backup| matches!(backup, StreamBackupRef::Id(_))) {
        return Ok(backups.to_vec());
    }
    let (profile, storage) = (environment.profile_name(profile), environment.storage(profile)?);
    let listed = &list(storage, None).await?;
    let found = stream::iter(backups.to_vec()).map(|backup| async move {
        let StreamBackupRef::Id(id) = backup else { return backup };
        let handle = async {
            let stored = find_listed(profile, storage, listed, id).await?;
            stored.handle(&identities_for(environment, &stored).await?).await
        };
        handle.await.map_or(backup, |handle| handle.into())
    });
    Ok(found.buffered(concurrency.max(1)).collect().await)
}

/// Refuses two backups of one aggregate, because the backup that is restored last would remain, and restores run at the
/// same time. Of a backup without a handle, only the id is compared.
fn require_distinct_aggregates(backups: &[StreamBackupRef]) -> Result<()> {
    let (mut ids, mut aggregates) = (BTreeSet::new(), BTreeMap::new());
    for backup in backups {
        let id = backup.id();
        let other = match backup {
            StreamBackupRef::Handle(handle) => handle
                .object_id
                .as_deref()
                .and_then(|object_id| aggregates.insert((handle.object.as_str(), object_id), id)),
            StreamBackupRef::Id(_) => None,
        };
        let other = if ids.insert(id) { other } else { Some(id) };
        let Some(other) = other else { continue };
        let text = match other == id {
            true => format!("single backup {id} is to be restored twice"),
            false => format!(
                "the single backups {other} and {id} belong to the same aggregate, so it would depend on the order of \
                 the restores which of them remains"
            ),
        };
        return Err(
            Error::new(ErrorKind::Configuration, text).with_help("restore one backup of each aggregate")
        );
    }
    Ok(())
}

/// Processes the items, some of them at the same time. Returns the results and the failures in the order of the items.
async fn run<'i, I, T, F: Future<Output = Result<T>>>(
    items: &'i [I],
    bulk: &BulkOptions,
    work: impl Fn(&'i I) -> F,
    failure: impl Fn(&'i I, Error) -> BulkFailure,
) -> (Vec<T>, Vec<BulkFailure>) {
    let mut progress = BulkProgress { total: items.len(), ..BulkProgress::default() };
    let (mut done, mut failed) = (BTreeMap::new(), BTreeMap::new());
    let mut waiting = items.iter().enumerate();
    let mut running = FuturesUnordered::new();
    loop {
        let is_stopped =
            bulk.cancel.is_cancelled() || (bulk.after_failure == AfterFailure::Stop && !failed.is_empty());
        while !is_stopped && running.len() < bulk.max_concurrency.max(1) {
            let Some((index, item)) = waiting.next() else { break };
            let work = work(item);
            running.push(async move { (index, item, work.await) });
        }
        let Some((index, item, result)) = running.next().await else { break };
        progress.processed += 1;
        match result {
            Ok(value) => {
                progress.succeeded += 1;
                done.insert(index, value);
            }
            Err(error) => {
                progress.failed += 1;
                failed.insert(index, failure(item, error));
            }
        }
        bulk.progress.emit(&progress);
    }
    (done.into_values().collect(), failed.into_values().collect())
}
