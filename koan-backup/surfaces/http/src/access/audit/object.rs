//! The object of a change, which is known only while the request is handled.

use std::sync::{Arc, OnceLock};

tokio::task_local! {
    static CURRENT: Arc<OnceLock<String>>;
}

/// The id of the operation that a request has started, also if the request does not wait for its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct StartedOperation(Arc<OnceLock<String>>);

impl StartedOperation {
    /// Records, for the audit log, that the request which this task handles has started an operation.
    pub(crate) fn record(id: impl Into<String>) {
        // Outside of a request there is no audit log.
        CURRENT.try_with(|current| current.set(id.into()).ok()).ok();
    }

    /// Handles a request, so that its handler can record the operation.
    pub(super) async fn during<T>(&self, handling: impl Future<Output = T>) -> T {
        CURRENT.scope(Arc::clone(&self.0), handling).await
    }

    /// Returns the id, if an operation was started.
    pub(super) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}
