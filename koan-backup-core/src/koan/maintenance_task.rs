//! Maintenance in the background.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::operations::maintenance::{self, MaintenanceOptions, MaintenanceReport};

/// The result of the last run of a task.
type LastRun = Arc<Mutex<Option<Result<MaintenanceReport, String>>>>;

/// Maintenance in the background. Dropping it stops maintenance.
///
/// ```
/// use std::time::Duration;
/// # koan_backup_shop::run(async |koan| {
/// let task = koan.maintenance().every(Duration::from_secs(3600)).start()?;
/// match task.last_report() {
///     Some(Ok(report)) => println!("{} profiles", report.profiles.len()),
///     Some(Err(error)) => eprintln!("{error}"),
///     None => println!("the first run has not ended"),
/// }
/// task.stop().await;
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "dropping the task stops maintenance"]
pub struct MaintenanceTask {
    task: Option<JoinHandle<()>>,
    cancel: CancellationToken,
    last: LastRun,
}

/// When a task runs maintenance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// The time between two runs.
    pub(super) every: Duration,
    /// The maximum random time by which each wait is extended.
    pub(super) jitter: Duration,
}

/// Checks the options of maintenance.
pub(super) fn check(environment: &Environment, options: &MaintenanceOptions, every: Duration) -> Result<()> {
    if every.is_zero() {
        return Err(Error::new(
            ErrorKind::Configuration,
            "the interval between two runs of maintenance is 0 seconds; set a longer interval with \
             `.every(…)`",
        ));
    }
    if let Some(retention) = &options.retention {
        retention.validate()?;
    }
    for (root, retention) in &options.directories {
        retention.validate().map_err(|error| {
            error.context(format!("the retention of the directory tree `{}` is not valid", root.display()))
        })?;
    }
    for profile in &options.profiles {
        environment.storage(Some(profile))?;
    }
    Ok(())
}

impl MaintenanceTask {
    /// Starts a task on the current runtime.
    pub(super) fn spawn(
        environment: Arc<Environment>,
        mut options: MaintenanceOptions,
        schedule: Schedule,
    ) -> Self {
        // The task has a child token, so that stopping the task does not cancel other operations that use the
        // given token.
        let cancel = options.cancel.child_token();
        options.cancel = cancel.clone();
        let last = LastRun::default();
        let (last_run, stop_token) = (Arc::clone(&last), cancel.clone());
        let task = tokio::spawn(async move {
            while !stop_token.is_cancelled() {
                let result = maintenance::run(&environment, &options).await;
                if stop_token.is_cancelled() {
                    return;
                }
                log(&result);
                let result = result.map_err(|error| error.chain());
                *last_run.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                let jitter_seconds = schedule.jitter.as_secs_f64().min(86_400.0) * random_fraction();
                let wait = schedule.every.saturating_add(Duration::from_secs_f64(jitter_seconds));
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = stop_token.cancelled() => {}
                }
            }
        });
        Self { task: Some(task), cancel, last }
    }

    /// Returns the report of the last run, or `None` before the first run has ended.
    ///
    /// # Errors
    /// The last run failed without a report.
    pub fn last_report(&self) -> Option<Result<MaintenanceReport>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        last.map(|result| {
            result.map_err(|text| Error::new(ErrorKind::Storage, format!("maintenance failed: {text}")))
        })
    }

    /// Stops maintenance, and waits until it has stopped.
    pub async fn stop(mut self) {
        self.cancel.cancel();
        if let Some(task) = self.task.take() {
            // A panic in the task was logged by the runtime.
            let _ = task.await;
        }
    }
}

impl Drop for MaintenanceTask {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

fn log(result: &Result<MaintenanceReport>) {
    match result {
        Ok(report) if report.is_clean() => tracing::info!(target: "koan::backup", "maintenance completed"),
        Ok(report) => {
            for profile in &report.profiles {
                if let (Some(id), Some(damage)) = (&profile.verified, &profile.damage) {
                    tracing::error!(
                        target: "koan::backup", profile = %profile.profile, backup = %id, %damage,
                        "a backup is damaged"
                    );
                }
                for failure in &profile.failures {
                    tracing::error!(
                        target: "koan::backup", profile = %profile.profile, %failure,
                        "a step of maintenance failed"
                    );
                }
            }
            for directory in &report.directories {
                for (id, damage) in directory.pruned.iter().flat_map(|pruned| &pruned.damaged) {
                    tracing::error!(
                        target: "koan::backup", root = %directory.root, backup = %id, %damage,
                        "a backup of a directory tree is damaged"
                    );
                }
                if let Some(failure) = &directory.failure {
                    tracing::error!(
                        target: "koan::backup", root = %directory.root, %failure,
                        "the retention of a directory tree failed"
                    );
                }
            }
        }
        Err(error) => tracing::error!(target: "koan::backup", error = %error.chain(), "maintenance failed"),
    }
}

/// Returns a random number from 0 to 1, from the random bits of a new UUID.
fn random_fraction() -> f64 {
    let [.., a, b, c, d] = uuid::Uuid::now_v7().into_bytes();
    f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX)
}
