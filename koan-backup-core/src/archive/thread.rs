//! A thread that is not one of the runtime's.
//!
//! The runtime's threads for blocking work can be few, and work on one of them that lasts long, or that waits for the store,
//! which needs one itself, would stop all.

use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};

/// Work on a thread of its own, and its result.
#[derive(Debug)]
pub(super) struct OwnThread<T>(oneshot::Receiver<T>);

impl<T: Send + 'static> OwnThread<T> {
    /// Starts the work. It goes on to its end when this handle is dropped.
    pub(super) fn start(work: impl FnOnce() -> T + Send + 'static) -> Self {
        let (sender, receiver) = oneshot::channel();
        std::thread::spawn(move || {
            // Nobody waits for it if the handle was dropped.
            let _ = sender.send(work());
        });
        Self(receiver)
    }

    /// The result; `what` it does stands in the error if it panicked.
    pub(super) async fn join(self, what: &str) -> Result<T> {
        self.0.await.map_err(|source| {
            Error::with_source(ErrorKind::Internal, format!("the thread that {what} was lost"), source)
        })
    }
}
