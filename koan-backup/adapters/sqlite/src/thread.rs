//! The thread of a connection. Each connection has a thread, so that no async thread waits for SQLite.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use koan_backup_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, InterruptHandle};
use tokio::sync::oneshot;

/// The state that a connection thread works on.
pub(super) trait ThreadState: Sized + 'static {
    /// The consequence of a job that panics, for the error message.
    const CONSEQUENCE: &'static str = "the restore is rolled back";

    /// Returns the connection that is interrupted when a job is cancelled.
    fn connection(&self) -> &Connection;
}

impl ThreadState for Connection {
    const CONSEQUENCE: &'static str = "the request was not completed";

    fn connection(&self) -> &Connection {
        self
    }
}

/// A function that runs on the thread of a connection.
type Job<W> = Box<dyn FnOnce(&mut W) + Send>;

/// A thread that owns a state `W` and runs one job after another. The thread ends when this value is dropped.
pub(super) struct ConnectionThread<W> {
    jobs: mpsc::Sender<Job<W>>,
    current: Arc<RunningJob>,
}

/// The running job, if there is one. A cancelled job interrupts SQLite only while that job is the running
/// job.
struct RunningJob {
    /// The cancellation flag of the running job.
    job: Mutex<Option<Arc<AtomicBool>>>,
    interrupt: InterruptHandle,
}

/// The cancellation flag of a job, which the job checks.
#[derive(Clone, Debug)]
pub(super) struct JobStatus(Arc<AtomicBool>);

impl JobStatus {
    /// Returns an error if the job was cancelled.
    ///
    /// # Errors
    /// The future that waits for the job was dropped.
    pub(super) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(Error::cancelled()) } else { Ok(()) }
    }
}

impl<W: ThreadState> ConnectionThread<W> {
    /// Starts a thread. `build` runs on the new thread and creates its state.
    pub(super) async fn start(build: impl FnOnce() -> Result<W> + Send + 'static) -> Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job<W>>();
        let (started, ready) = oneshot::channel();
        let body = move || {
            let mut state = match build() {
                Ok(state) => state,
                Err(error) => return drop(started.send(Err(error))),
            };
            let interrupt = state.connection().get_interrupt_handle();
            if started.send(Ok(Arc::new(RunningJob { job: Mutex::new(None), interrupt }))).is_err() {
                return;
            }
            while let Ok(job) = queue.recv() {
                job(&mut state);
            }
        };
        thread::Builder::new().name("koan-sqlite".to_owned()).spawn(body).map_err(|error| {
            Error::with_source(
                ErrorKind::Provider,
                "cannot start a thread for an SQLite connection; check the limit of threads of the process",
                error,
            )
        })?;
        let current = ready.await.map_err(|_| ended::<W>())??;
        Ok(Self { jobs, current })
    }

    /// Runs one job. If the future is dropped, the job is interrupted.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut W, &JobStatus) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let cancelled = Arc::new(AtomicBool::new(false));
        let (reply, response) = oneshot::channel();
        let current = Arc::clone(&self.current);
        let status = JobStatus(Arc::clone(&cancelled));
        let boxed: Job<W> = Box::new(move |state| {
            *current.lock() = Some(Arc::clone(&status.0));
            let result = status.check().and_then(|()| job(state, &status));
            *current.lock() = None;
            // The receiver may have been dropped.
            let _ = reply.send(result);
        });
        let mut guard = InterruptOnDrop { cancelled: Some(cancelled), current: &self.current };
        self.jobs.send(boxed).map_err(|_| ended::<W>())?;
        let result = response.await.map_err(|_| ended::<W>());
        guard.cancelled = None;
        result?
    }
}

impl RunningJob {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<AtomicBool>>> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guard that cancels a job and interrupts SQLite when the future of the job is dropped.
struct InterruptOnDrop<'a> {
    /// The cancellation flag of the job; `None` once the job has ended.
    cancelled: Option<Arc<AtomicBool>>,
    current: &'a RunningJob,
}

impl Drop for InterruptOnDrop<'_> {
    fn drop(&mut self) {
        let Some(cancelled) = &self.cancelled else { return };
        cancelled.store(true, Ordering::Relaxed);
        let running = self.current.lock();
        if running.as_ref().is_some_and(|running| Arc::ptr_eq(running, cancelled)) {
            self.current.interrupt.interrupt();
        }
    }
}

impl<W> fmt::Debug for ConnectionThread<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionThread").finish_non_exhaustive()
    }
}

/// Returns the error for a thread that ended because a job panicked.
fn ended<W: ThreadState>() -> Error {
    Error::new(
        ErrorKind::Provider,
        format!(
            "a job on an SQLite connection panicked, so {}; the program's error output contains the message \
             of the panic",
            W::CONSEQUENCE
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_error_of_a_job_that_panics_states_the_consequence_and_does_not_mention_a_defect() {
        let built = || Ok(Connection::open_in_memory().expect("a database"));
        let thread = ConnectionThread::start(built).await.expect("a thread");
        for _ in 0..2 {
            let error = thread
                .run(|_, _| -> Result<()> { panic!("a panic of the test") })
                .await
                .expect_err("a panic");
            assert!(error.to_string().contains("was not completed"), "{error}");
            assert!(!error.to_string().contains("defect"), "{error}");
        }
    }
}
