//! Blocking work on a thread outside of the runtime.
//!
//! A runtime can have few threads for blocking work, or only one. Work on a blocking thread of the runtime
//! must not wait for other work that needs a blocking thread as well, for example a reader of the archive or
//! an operation on a file of the local storage: with few threads, both would wait forever.

use std::io;

use tokio::sync::oneshot;

use crate::foundation::error::{Error, ErrorKind, Result};

/// Starts `work` immediately on a new thread. The future returns the result of `work`.
///
/// Use this function in providers whose reads block:
/// [`RecordSink::flush_blocking`](crate::provider::RecordSink::flush_blocking) waits until the archive has
/// accepted the records. On a thread of `tokio::task::spawn_blocking` that wait may never end, because the
/// archive needs such threads as well and a runtime may have only one.
///
/// # Cancel safety
/// If the future is dropped, the work continues to its end; a read ends at its next flush.
///
/// # Errors
/// `work` returned an error or panicked, or the system cannot start another thread.
pub fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> + Send + 'static {
    let thread = OwnThread::start(work);
    async move { thread.join("works for a provider").await? }
}

/// The handle of work that runs on a separate thread.
#[derive(Debug)]
pub(crate) struct OwnThread<T>(io::Result<oneshot::Receiver<T>>);

impl<T: Send + 'static> OwnThread<T> {
    /// Starts the work on a new thread, in the current tracing span. If the handle is dropped, the work
    /// continues to its end.
    pub(crate) fn start(work: impl FnOnce() -> T + Send + 'static) -> Self {
        let (sender, receiver) = oneshot::channel();
        let span = tracing::Span::current();
        let body = move || {
            // There is no receiver if the handle was dropped.
            let _ = sender.send(span.in_scope(work));
        };
        Self(std::thread::Builder::new().name("koan-backup".to_owned()).spawn(body).map(|_| receiver))
    }

    /// Waits for the result. `activity` describes the work in errors, for example `reads the archive`.
    pub(crate) async fn join(self, activity: &str) -> Result<T> {
        let receiver = self.0.map_err(|source| {
            let text = format!(
                "the thread that {activity} could not be started; check the maximum number of threads of the \
                 system"
            );
            Error::with_source(ErrorKind::Internal, text, source)
        })?;
        receiver.await.map_err(|source| {
            Error::with_source(
                ErrorKind::Internal,
                format!("the thread that {activity} ended unexpectedly"),
                source,
            )
        })
    }
}
