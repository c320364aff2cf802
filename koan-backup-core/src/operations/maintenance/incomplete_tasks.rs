//! Records of the tasks that maintenance did not complete: sidecar files `maintenance/{task}.json`, which a
//! later successful run removes.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::report::ProfileMaintenance;
use crate::catalog::{IncompleteTask, sidecar};
use crate::environment::Environment;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::Storage;

const FOLDER: &str = "maintenance";

/// A task of maintenance in a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MaintenanceTask {
    Cleanup,
    Retention,
    Verification,
    StreamExpiry,
    StreamVerification,
    Catalog,
}

/// The record of a task that was not completed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IncompleteTaskRecord {
    tried_at: Timestamp,
    problems: Vec<String>,
}

/// Returns the tasks that were not completed in a profile.
///
/// A record that cannot be read is reported as a problem of its task.
///
/// # Errors
/// The storage cannot be read.
pub(crate) async fn incomplete_tasks(
    profile: &str,
    storage: &Storage,
    now: Timestamp,
) -> Result<Vec<IncompleteTask>> {
    let remedy = "remove it; the next maintenance run records its incomplete tasks again";
    let records = sidecar::read_all::<MaintenanceTask, IncompleteTaskRecord>(storage, FOLDER, remedy).await?;
    let unreadable = records.unreadable.into_iter();
    let unreadable = unreadable
        .map(|(task, problem)| (task, IncompleteTaskRecord { tried_at: now, problems: vec![problem] }));
    let incomplete = records.readable.into_iter().chain(unreadable).flat_map(|(task, record)| {
        let IncompleteTaskRecord { tried_at, problems } = record;
        let profile = profile.to_owned();
        problems.into_iter().map(move |problem| IncompleteTask {
            profile: profile.clone(),
            task: task.name().to_owned(),
            tried_at,
            problem,
        })
    });
    Ok(incomplete.collect())
}

/// The result of maintenance in a profile: the report, and the records of tasks that were not completed.
#[derive(Debug)]
pub(super) struct ProfileOutcome<'a> {
    pub(super) report: ProfileMaintenance,
    environment: &'a Environment,
    storage: &'a Storage,
    cancel: &'a CancellationToken,
    /// The paths of the records of earlier runs; `None` until they are listed.
    earlier_records: Option<Vec<Path>>,
}

impl MaintenanceTask {
    /// Returns the name of the task, in file names and in the health.
    fn name(self) -> &'static str {
        match self {
            Self::Cleanup => "cleanup",
            Self::Retention => "retention",
            Self::Verification => "verification",
            Self::StreamExpiry => "stream-expiry",
            Self::StreamVerification => "stream-verification",
            Self::Catalog => "catalog",
        }
    }

    /// Returns a description of the task, for messages.
    fn description(self) -> &'static str {
        match self {
            Self::Cleanup => "removing files of crashed processes",
            Self::Retention => "retention",
            Self::Verification => "verification",
            Self::StreamExpiry => "removing expired single backups",
            Self::StreamVerification => "verification of single backups",
            Self::Catalog => "refreshing the catalog",
        }
    }
}

impl fmt::Display for MaintenanceTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for MaintenanceTask {
    type Err = ();

    fn from_str(name: &str) -> std::result::Result<Self, ()> {
        let all = [
            Self::Cleanup,
            Self::Retention,
            Self::Verification,
            Self::StreamExpiry,
            Self::StreamVerification,
            Self::Catalog,
        ];
        all.into_iter().find(|task| task.name() == name).ok_or(())
    }
}

impl<'a> ProfileOutcome<'a> {
    pub(super) fn new(
        environment: &'a Environment,
        profile: &str,
        storage: &'a Storage,
        cancel: &'a CancellationToken,
    ) -> Self {
        let report = ProfileMaintenance { profile: profile.to_owned(), ..ProfileMaintenance::default() };
        Self { report, environment, storage, cancel, earlier_records: None }
    }

    /// Records the result of a task.
    ///
    /// # Errors
    /// The task was cancelled, which ends maintenance.
    pub(super) async fn record_result(&mut self, task: MaintenanceTask, result: Result<()>) -> Result<()> {
        match result {
            Ok(()) => {
                self.record_end(task, Vec::new()).await;
                Ok(())
            }
            Err(error) => self.record_failure(&[task], error).await,
        }
    }

    /// Records the result of a task that returns the problems that remain.
    ///
    /// # Errors
    /// The task was cancelled, which ends maintenance.
    pub(super) async fn record_problems(
        &mut self,
        task: MaintenanceTask,
        result: Result<Vec<String>>,
    ) -> Result<()> {
        match result {
            Ok(problems) => {
                self.record_end(task, problems).await;
                Ok(())
            }
            Err(error) => self.record_failure(&[task], error).await,
        }
    }

    /// Records that a task ended, with the problems that remain.
    pub(super) async fn record_end(&mut self, task: MaintenanceTask, problems: Vec<String>) {
        self.report
            .failures
            .extend(problems.iter().map(|problem| format!("{}: {problem}", task.description())));
        let cancel = self.cancel;
        if let Err(error) = until_cancelled(cancel, self.update_record(task, problems)).await {
            let failure = format!("the result of `{}` could not be recorded: {}", task.name(), error.chain());
            self.report.failures.push(failure);
        }
    }

    /// Records why tasks failed. A task is skipped if another process is working on the same subject.
    ///
    /// # Errors
    /// The tasks were cancelled, which ends maintenance.
    pub(super) async fn record_failure(&mut self, tasks: &[MaintenanceTask], error: Error) -> Result<()> {
        if error.kind() == ErrorKind::Cancelled {
            return Err(error);
        }
        for &task in tasks {
            match error.kind() {
                ErrorKind::Busy => {
                    self.report.skipped.push(format!("{}: {}", task.description(), error.chain()));
                    self.report.busy_tasks.push(task.name().to_owned());
                }
                _ => self.record_end(task, vec![error.chain()]).await,
            }
        }
        Ok(())
    }

    async fn update_record(&mut self, task: MaintenanceTask, problems: Vec<String>) -> Result<()> {
        if !problems.is_empty() {
            let record = IncompleteTaskRecord { tried_at: self.environment.clock.now(), problems };
            return sidecar::write(self.storage, FOLDER, &task.name(), &record).await;
        }
        // The records are listed only once. If all tasks succeed and there is no record, nothing is written
        // or removed.
        if self.earlier_records.is_none() {
            let folder = Path::from(FOLDER);
            let listed = self.storage.list(&folder).await;
            let listed = listed.map_err(|source| self.storage.failed(&folder, "listed in", source))?;
            self.earlier_records = Some(listed.into_iter().map(|file| file.path).collect());
        }
        let path = sidecar::path(FOLDER, &task.name());
        match &self.earlier_records {
            Some(earlier) if earlier.contains(&path) => {
                sidecar::remove(self.storage, FOLDER, &task.name()).await
            }
            _ => Ok(()),
        }
    }
}
