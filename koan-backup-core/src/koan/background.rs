//! The tasks that a context runs in the background. The context owns them: dropping its last clone stops them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::defaults::OperationDefaults;
use super::maintenance_task::{self, MaintenanceTask, Schedule};
use super::warm_up::{WarmUpReport, warm_up};
use crate::environment::Environment;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::{Error, ErrorKind, Result};

/// Which tasks are started when the context is built.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BackgroundPlan {
    pub(super) is_maintaining: bool,
    pub(super) discovery: Option<Duration>,
    pub(super) is_warming_up: bool,
    /// Whether no task is started, whatever the other settings are.
    pub(super) is_disabled: bool,
}

/// The running tasks of a context. A task holds the environment and never the context.
#[derive(Debug, Default)]
pub(super) struct BackgroundTasks {
    cancel: CancellationToken,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    maintenance: Mutex<Option<MaintenanceTask>>,
}

impl BackgroundTasks {
    /// Checks the plan, and starts its tasks on the current runtime.
    ///
    /// # Errors
    /// An interval is zero, or the retention policy or a storage profile of maintenance is invalid.
    pub(super) fn start(
        environment: &Arc<Environment>,
        defaults: &OperationDefaults,
        plan: BackgroundPlan,
    ) -> Result<Self> {
        let (options, every, jitter) = defaults.maintenance();
        let plan = if plan.is_disabled { BackgroundPlan::default() } else { plan };
        if plan.is_maintaining {
            maintenance_task::check(environment, &options, every)?;
        }
        if plan.discovery.is_some_and(|interval| interval.is_zero()) {
            return Err(Error::new(
                ErrorKind::Configuration,
                "the interval of the background discovery is 0 seconds; set a longer interval",
            ));
        }
        let started = Self::default();
        let mut tasks = Vec::new();
        if plan.is_warming_up {
            let (environment, cancel) = (Arc::clone(environment), started.cancel.clone());
            tasks.push(tokio::spawn(async move {
                if let Some(report) = cancel.run_until_cancelled(warm_up(&environment)).await {
                    log_warm_up(&report);
                }
            }));
        }
        if let Some(interval) = plan.discovery {
            let discovery = discover(Arc::clone(environment), interval, started.cancel.clone());
            tasks.push(tokio::spawn(discovery));
        }
        if plan.is_maintaining {
            let environment = Arc::clone(environment);
            let task = MaintenanceTask::spawn(environment, options, Schedule { every, jitter });
            *started.maintenance.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        }
        *started.tasks.lock().unwrap_or_else(PoisonError::into_inner) = tasks;
        Ok(started)
    }

    /// Stops all tasks, and waits until they have stopped.
    pub(super) async fn stop(&self) {
        self.cancel.cancel();
        let maintenance = self.maintenance.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = maintenance {
            task.stop().await;
        }
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // A panic in the task was logged by the runtime.
            let _ = task.await;
        }
    }
}

impl Drop for BackgroundTasks {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// Reads all catalogs repeatedly.
async fn discover(environment: Arc<Environment>, interval: Duration, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        for (name, storage) in &environment.storages {
            let listing = environment.manifests.all(name, storage);
            match until_cancelled(&cancel, listing).await {
                Ok(listing) => {
                    tracing::debug!(
                        target: "koan::backup", profile = name, backups = listing.entries.len(),
                        unreadable = listing.unreadable.len(), "the catalog was read"
                    );
                }
                Err(_) if cancel.is_cancelled() => return,
                Err(error) => tracing::warn!(
                    target: "koan::backup", profile = name, error = %error.chain(),
                    "the catalog could not be read"
                ),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = cancel.cancelled() => {}
        }
    }
}

fn log_warm_up(report: &WarmUpReport) {
    let providers = report.providers.iter().map(|provider| (&provider.name, &provider.problem));
    let profiles = report.profiles.iter().map(|profile| (&profile.name, &profile.problem));
    for (name, problem) in providers.chain(profiles) {
        if let Some(problem) = problem {
            tracing::warn!(target: "koan::backup", name, problem, "the warm-up found a problem");
        }
    }
    if report.is_clean() {
        tracing::info!(target: "koan::backup", "the warm-up completed");
    }
}
