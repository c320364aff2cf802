//! Runs blocking work on a thread outside of the runtime.
//!
//! A runtime can have few threads for blocking work, or only one. Work on such a thread must not wait for
//! something that needs such a thread itself, for example a reader of the archive or a file of the local
//! storage: with few threads, both would wait forever.

use std::io;

use tokio::sync::oneshot;

use crate::foundation::error::{Error, ErrorKind, Result};

/// Starts `work` immediately on a new thread. The future returns its result.
///
/// Use it in providers whose reads block:
/// [`RecordSink::flush_blocking`](crate::provider::RecordSink::flush_blocking) waits until the archive has
/// accepted the records. On a thread of `tokio::task::spawn_blocking` that wait may never end, because the
/// archive needs such threads as well and a runtime may have only one.
///
/// # Cancel safety
/// When the future is dropped, the work continues until it ends by itself; a read ends at its next flush.
///
/// # Errors
/// The system cannot start another thread, or `work` panicked; otherwise the result of `work`.
pub fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> + Send + 'static {
    let thread = OwnThread::start(work);
    async move { thread.join("works for a provider").await? }
}

/// Work on its own thread, and its result.
#[derive(Debug)]
pub(crate) struct OwnThread<T>(io::Result<oneshot::Receiver<T>>);

impl<T: Send + 'static> OwnThread<T> {
    /// Starts the work in the current span. It continues to its end if this handle is dropped.
    pub(crate) fn start(work: impl FnOnce() -> T + Send + 'static) -> Self {
        let (sender, receiver) = oneshot::channel();
        let span = tracing::Span::current();
        let body = move || {
            // There is no receiver if the handle was dropped.
            let _ = sender.send(span.in_scope(work));
        };
        Self(std::thread::Builder::new().name("koan-backup".to_owned()).spawn(body).map(|_| receiver))
    }

    /// Waits for the result. `what` describes the work in the error if it panicked.
    pub(crate) async fn join(self, what: &str) -> Result<T> {
        let receiver = self.0.map_err(|source| {
            let text = format!("no thread that {what} could be started; the system has none left");
            Error::with_source(ErrorKind::Internal, text, source)
        })?;
        receiver.await.map_err(|source| {
            Error::with_source(
                ErrorKind::Internal,
                format!(
                    "the thread that {what} ended \
                 unexpectedly"
                ),
                source,
            )
        })
    }
}
