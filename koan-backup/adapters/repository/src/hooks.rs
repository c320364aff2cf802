//! Calls the hooks of repositories before and after a restore.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use koan_backup_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::erased::ErasedRepository;
use crate::restore_request::{RestoreOutcome, RestoreRequest};

/// The repositories that were prepared for a restore, and whose
/// [`finish_restore`](crate::Repository::finish_restore) was not called yet. Dropping this value calls it.
pub(crate) struct PreparedRepositories {
    runtime: Handle,
    all: Vec<Arc<dyn ErasedRepository>>,
}

impl PreparedRepositories {
    /// Creates an empty list.
    ///
    /// # Errors
    /// Returns an error if there is no Tokio runtime.
    pub(crate) fn new() -> Result<Self> {
        let runtime = Handle::try_current().map_err(|error| {
            let text = "a restore into repositories needs a Tokio runtime; start it within a Tokio runtime";
            Error::with_source(ErrorKind::Configuration, text, error)
        })?;
        Ok(Self { runtime, all: Vec::new() })
    }

    /// Prepares a repository, once for each restore.
    pub(crate) async fn prepare(
        &mut self,
        repository: &Arc<dyn ErasedRepository>,
        request: &RestoreRequest,
    ) -> Result<()> {
        if self.all.iter().any(|known| known.entity() == repository.entity()) {
            return Ok(());
        }
        // The repository is added first, so that it is finished even if its preparation fails or is dropped.
        self.all.push(Arc::clone(repository));
        repository.prepare_restore(request).await
    }

    /// Calls `finish_restore` of each prepared repository, even if this future is dropped.
    ///
    /// # Errors
    /// Returns the first error of these calls.
    pub(crate) async fn finish(&mut self, outcome: RestoreOutcome) -> Result<()> {
        match self.start(outcome) {
            None => Ok(()),
            Some(finished) => finished.await.map_err(|_| {
                Error::new(
                    ErrorKind::Provider,
                    "the runtime was shut down before `finish_restore` of the repositories was called",
                )
            })?,
        }
    }

    /// Starts a task that calls `finish_restore` of each prepared repository, in reverse order. Returns a
    /// receiver for the result, or `None` if no repository was prepared.
    fn start(&mut self, outcome: RestoreOutcome) -> Option<oneshot::Receiver<Result<()>>> {
        let prepared = std::mem::take(&mut self.all);
        if prepared.is_empty() {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.runtime.spawn(async move {
            let mut result = Ok(());
            for repository in prepared.iter().rev() {
                let finished = AssertUnwindSafe(repository.finish_restore(outcome)).catch_unwind().await;
                let finished = finished.unwrap_or_else(|_| Err(panicked(repository.name())));
                // The first error is reported, and the remaining repositories are still finished.
                result = result.and(finished);
            }
            if let Err(Err(error)) = sender.send(result) {
                tracing::warn!(
                    target: "koan::backup", error = %error.chain(), "`finish_restore` of a repository failed"
                );
            }
        });
        Some(receiver)
    }
}

impl Drop for PreparedRepositories {
    fn drop(&mut self) {
        drop(self.start(RestoreOutcome::Failed));
    }
}

fn panicked(name: &str) -> Error {
    Error::new(ErrorKind::Provider, format!("`finish_restore` of the repository of `{name}` panicked"))
}

impl fmt::Debug for PreparedRepositories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all.iter().map(|repository| repository.name())).finish()
    }
}
