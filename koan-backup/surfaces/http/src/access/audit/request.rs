//! The entries of one request.

use axum::http::StatusCode;

use super::AuditLog;
use super::entry::{AuditEntry, AuditEvent, AuditObject};
use super::object::StartedOperation;
use crate::problem::{Problem, ProblemKind};

/// The audit of one request. If it is dropped before the outcome is known, it writes that the connection ended.
#[derive(Debug)]
pub(crate) struct AuditedRequest {
    log: AuditLog,
    entry: Option<AuditEntry>,
    started: StartedOperation,
}

impl AuditedRequest {
    /// Writes the first entry.
    ///
    /// # Errors
    /// The entry cannot be written. The request must be refused.
    pub(crate) async fn begin(log: &AuditLog, entry: AuditEntry) -> Result<Self, Problem> {
        log.write(entry.clone()).await.map_err(|_| {
            Problem::new(ProblemKind::Unavailable, "the audit log cannot be written; nothing was changed")
                .with_help("the log of the server contains the cause")
        })?;
        Ok(Self { log: log.clone(), entry: Some(entry), started: StartedOperation::default() })
    }

    /// Handles the request.
    pub(crate) async fn during<T>(&self, handling: impl Future<Output = T>) -> T {
        self.started.during(handling).await
    }

    /// Writes the outcome. An entry that cannot be written is logged and reported as a problem of health.
    pub(crate) async fn end(mut self, status: StatusCode, object: Option<AuditObject>) {
        let Some(entry) = self.entry.take() else { return };
        let started = self.started.get().map(|id| AuditObject(id.to_owned()));
        let event = event(status, started.is_some());
        let entry = entry.with_event(event).with_status(status.as_u16()).with_object(started.or(object));
        let written = self.log.write(entry);
        // The file has logged the error.
        written.await.ok();
    }
}

/// Returns the event of a response. An error of an operation that was started is not a refusal of the request.
fn event(status: StatusCode, is_started: bool) -> AuditEvent {
    if status.is_client_error() && !is_started {
        AuditEvent::Refused
    } else if status.is_client_error() || status.is_server_error() {
        AuditEvent::Failed
    } else {
        AuditEvent::Completed
    }
}

impl Drop for AuditedRequest {
    fn drop(&mut self) {
        let Some(entry) = self.entry.take() else { return };
        // Without a runtime, the server is stopping, and the file cannot be written from here.
        if tokio::runtime::Handle::try_current().is_ok() {
            let event = if std::thread::panicking() { AuditEvent::Failed } else { AuditEvent::Disconnected };
            let started = self.started.get().map(|id| AuditObject(id.to_owned()));
            drop(self.log.write(entry.with_event(event).with_object(started)));
        }
    }
}
