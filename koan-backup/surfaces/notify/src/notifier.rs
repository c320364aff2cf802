//! Sends notifications about the backups of a context.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use koan_backup_core::catalog::SeriesName;
use koan_backup_core::{BackupName, Error, ErrorKind, Koan, Listener, Result};
use tokio::runtime::Handle;

use crate::delivery::http_client;
use crate::history::History;
use crate::notification::{Notification, NotificationKind};
use crate::queue::{Queue, Retries};
use crate::report::NotifyReport;
use crate::target::Target;

/// The default of [`NotifierBuilder::retries`].
const RETRIES: u32 = 3;
/// The default of [`NotifierBuilder::retry_delay`].
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// The default of [`NotifierBuilder::shutdown_timeout`].
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// Sends notifications about the backups of a context. It is cheap to clone.
///
/// The listener adds a notification to the queue of each target and never waits, and a task for each target delivers.
/// A notification that cannot be delivered is a warning in the log and in the [report](Self::report); it never fails
/// a backup.
///
/// ```
/// use koan_backup::notify::{HealthCheck, Notifier, Webhook};
/// use koan_backup::{Koan, Memory, Storage};
/// # use koan_backup_shop::key_pair;
/// # koan_backup_shop::run(async |_| {
/// # let recipients = koan_backup::Recipients::key(key_pair().0)?;
///
/// let notifier = Notifier::builder()
///     .target("ops", Webhook::new("https://hooks.example.com/backups", "correct horse battery staple")?)
///     .target("cron", HealthCheck::new("https://hc-ping.com/5a1b…")?)
///     .start()?;
/// let koan = Koan::builder()
///     .provider(Memory::new())
///     .storage(Storage::memory())
///     # .encrypt_to(recipients)
///     .observe(notifier.listener())
///     .build()
///     .await?;
/// notifier.attach(&koan).await?;
/// // … backups …
/// let report = notifier.shutdown().await;
/// for warning in report.warnings() {
///     eprintln!("{warning}");
/// }
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Notifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queues: Vec<Queue>,
    history: Mutex<History>,
    shutdown_timeout: Duration,
}

impl Notifier {
    /// Returns a builder for a notifier.
    pub fn builder() -> NotifierBuilder {
        NotifierBuilder::default()
    }

    /// Returns the listener that notifies of the events of a context, for
    /// [`KoanBuilder::observe`](koan_backup_core::KoanBuilder::observe).
    pub fn listener(&self) -> Listener {
        let notifier = self.clone();
        Listener::new(move |event| notifier.observe(event))
    }

    /// Reads from the catalog of the context how the last backup of each series ended, so that a success after a
    /// failure of another process is a recovery. Later notifications contain the application of the context.
    ///
    /// # Errors
    /// The catalog cannot be read. The notifier works nevertheless, and notices the failures of this process only.
    pub async fn attach(&self, koan: &Koan) -> Result<()> {
        let identity = koan.identity().clone();
        let query = koan.catalog().query().from_application(identity.application(), identity.environment());
        self.history().identity = Some(identity);
        let page = query.await?;
        self.history().read(&page.entries);
        Ok(())
    }

    /// Notifies that a backup failed before it began, for example because the context could not be built.
    pub fn backup_failed(&self, name: &str, error: &Error) {
        let series =
            BackupName::new(name).map_or_else(|_| name.to_owned(), |name| SeriesName::of(&name).to_string());
        self.history().failed(&series);
        let mut notification = Notification::new(vec![NotificationKind::Failure], series, name.to_owned());
        notification.error = Some(error.description());
        self.send(notification);
    }

    /// Returns whether there is a target.
    pub fn has_targets(&self) -> bool {
        !self.0.queues.is_empty()
    }

    /// Returns what was delivered so far.
    pub fn report(&self) -> NotifyReport {
        NotifyReport { targets: self.0.queues.iter().map(Queue::report).collect() }
    }

    /// Accepts no further notification, delivers those that wait, and ends the tasks. It waits at most as long as
    /// [`shutdown_timeout`](NotifierBuilder::shutdown_timeout); what was not delivered then is not sent.
    ///
    /// # Cancel safety
    /// If the future is dropped, the tasks continue to deliver what waits, as long as the runtime exists.
    pub async fn shutdown(&self) -> NotifyReport {
        self.0.queues.iter().for_each(Queue::close);
        let all = async {
            for queue in &self.0.queues {
                queue.ended().await;
            }
        };
        // The report contains what was not sent in time.
        let _ = tokio::time::timeout(self.0.shutdown_timeout, all).await;
        self.0.queues.iter().for_each(Queue::abort);
        self.report()
    }

    /// Adds a notification to the queue of each target that selects it.
    pub(crate) fn send(&self, mut notification: Notification) {
        if let Some(identity) = &self.history().identity {
            notification.application = Some(identity.application().to_owned());
            notification.environment = Some(identity.environment().to_owned());
        }
        for queue in &self.0.queues {
            queue.add(&notification);
        }
    }

    pub(crate) fn history(&self) -> MutexGuard<'_, History> {
        self.0.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A builder for a [`Notifier`].
#[derive(Debug)]
#[must_use = "a notifier exists only after `.start()`"]
pub struct NotifierBuilder {
    targets: Vec<(String, Target)>,
    retries: Retries,
    shutdown_timeout: Duration,
}

impl Default for NotifierBuilder {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            retries: Retries { count: RETRIES, delay: RETRY_DELAY },
            shutdown_timeout: SHUTDOWN_TIMEOUT,
        }
    }
}

impl NotifierBuilder {
    /// Adds a target with a name, which occurs in logs and reports.
    pub fn target(mut self, name: impl Into<String>, target: impl Into<Target>) -> Self {
        self.targets.push((name.into(), target.into()));
        self
    }

    /// Sets how often a delivery is repeated if the target does not answer, or answers that it is busy or has an
    /// error. The default is 3.
    pub fn retries(mut self, count: u32) -> Self {
        self.retries.count = count;
        self
    }

    /// Sets the time before the first repetition, which is four times as long before each further one. The default is
    /// 1 second.
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.retries.delay = delay;
        self
    }

    /// Sets how long [`Notifier::shutdown`] waits. The default is 30 seconds.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// Starts a task for each target on the current runtime.
    ///
    /// # Errors
    /// There is no Tokio runtime, two targets have the same name, or the system has no TLS certificates that can be
    /// used.
    pub fn start(self) -> Result<Notifier> {
        if Handle::try_current().is_err() {
            let text = "a notifier needs a Tokio runtime";
            return Err(
                Error::new(ErrorKind::Configuration, text).with_help("call `start` within `#[tokio::main]`")
            );
        }
        let mut names = BTreeSet::new();
        for (name, _) in &self.targets {
            if !names.insert(name) {
                let text = format!("two targets of notifications have the name `{}`", name.escape_debug());
                return Err(Error::new(ErrorKind::Configuration, text).with_help("rename one of them"));
            }
        }
        let mut queues = Vec::new();
        if !self.targets.is_empty() {
            let client = http_client()?;
            for (name, target) in self.targets {
                queues.push(Queue::start(name, target, client.clone(), self.retries));
            }
        }
        let (history, shutdown_timeout) = (Mutex::default(), self.shutdown_timeout);
        Ok(Notifier(Arc::new(Inner { queues, history, shutdown_timeout })))
    }
}
