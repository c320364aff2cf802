//! A thread of its own for each connection, so that no async thread ever waits for SQLite.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use koan_backup_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, InterruptHandle};
use tokio::sync::oneshot;

/// What a thread works on.
pub(super) trait Work: Sized + 'static {
    /// What is lost when the thread ends before its work is done.
    const LOST: &'static str = "the restore it was part of is rolled back";

    /// The connection that is interrupted when the work is no longer wanted.
    fn connection(&self) -> &Connection;
}

impl Work for Connection {
    const LOST: &'static str = "what was asked for was not done";

    fn connection(&self) -> &Connection {
        self
    }
}

type Job<W> = Box<dyn FnOnce(&mut W) + Send>;

/// A thread that owns a `W` and does one job after the other. Ends when this is dropped.
pub(super) struct ConnectionThread<W> {
    jobs: mpsc::Sender<Job<W>>,
    current: Arc<Current>,
}

/// Which job is running, so that only that one is ever interrupted.
struct Current {
    job: Mutex<Option<Arc<AtomicBool>>>,
    interrupt: InterruptHandle,
}

/// Tells a job whether anybody still waits for it.
#[derive(Clone, Debug)]
pub(super) struct Wanted(Arc<AtomicBool>);

impl Wanted {
    /// # Errors
    /// Nobody waits any longer.
    pub(super) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) { Err(Error::cancelled()) } else { Ok(()) }
    }
}

impl<W: Work> ConnectionThread<W> {
    /// Starts a thread that works on what `build` makes there.
    pub(super) async fn start(build: impl FnOnce() -> Result<W> + Send + 'static) -> Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job<W>>();
        let (started, ready) = oneshot::channel();
        let body = move || {
            let mut work = match build() {
                Ok(work) => work,
                Err(error) => return drop(started.send(Err(error))),
            };
            let interrupt = work.connection().get_interrupt_handle();
            if started.send(Ok(Arc::new(Current { job: Mutex::new(None), interrupt }))).is_err() {
                return;
            }
            while let Ok(job) = queue.recv() {
                job(&mut work);
            }
        };
        thread::Builder::new().name("koan-sqlite".to_owned()).spawn(body).map_err(|error| {
            Error::with_source(ErrorKind::Provider, "no thread could be started for SQLite", error)
        })?;
        let current = ready.await.map_err(|_| ended::<W>())??;
        Ok(Self { jobs, current })
    }

    /// Does one job. When the future is dropped the job is interrupted.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut W, &Wanted) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let unwanted = Arc::new(AtomicBool::new(false));
        let (reply, answer) = oneshot::channel();
        let current = Arc::clone(&self.current);
        let wanted = Wanted(Arc::clone(&unwanted));
        let boxed: Job<W> = Box::new(move |work| {
            *current.lock() = Some(Arc::clone(&wanted.0));
            let result = wanted.check().and_then(|()| job(work, &wanted));
            *current.lock() = None;
            // Whoever waited may be gone.
            let _ = reply.send(result);
        });
        let mut guard = InterruptOnDrop { unwanted: Some(unwanted), current: &self.current };
        self.jobs.send(boxed).map_err(|_| ended::<W>())?;
        let result = answer.await.map_err(|_| ended::<W>());
        guard.unwanted = None;
        result?
    }
}

impl Current {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<AtomicBool>>> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct InterruptOnDrop<'a> {
    unwanted: Option<Arc<AtomicBool>>,
    current: &'a Current,
}

impl Drop for InterruptOnDrop<'_> {
    fn drop(&mut self) {
        let Some(unwanted) = &self.unwanted else { return };
        unwanted.store(true, Ordering::Relaxed);
        let running = self.current.lock();
        if running.as_ref().is_some_and(|running| Arc::ptr_eq(running, unwanted)) {
            self.current.interrupt.interrupt();
        }
    }
}

impl<W> fmt::Debug for ConnectionThread<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionThread").finish_non_exhaustive()
    }
}

/// Code that the job called has panicked, and took the thread with it.
fn ended<W: Work>() -> Error {
    Error::new(
        ErrorKind::Provider,
        format!(
            "the work on an SQLite connection ended in a panic, whose message is in the program's error output: {}",
            W::LOST
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_that_panics_says_what_is_lost_and_blames_nobody() {
        let built = || Ok(Connection::open_in_memory().expect("a database"));
        let thread = ConnectionThread::start(built).await.expect("a thread");
        for _ in 0..2 {
            let error =
                thread.run(|_, _| -> Result<()> { panic!("of the test") }).await.expect_err("a panic");
            assert!(error.to_string().contains("was not done"), "{error}");
            assert!(!error.to_string().contains("defect"), "{error}");
        }
    }
}
