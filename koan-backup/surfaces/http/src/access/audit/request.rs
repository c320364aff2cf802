//! The entries of one request.

use axum::http::StatusCode;

use super::AuditLog;
use super::entry::{AuditEntry, AuditEvent, AuditObject};
use crate::problem::{Problem, ProblemKind};

/// The audit of one request. If it is dropped before the outcome is known, it writes that the connection ended.
#[derive(Debug)]
pub(crate) struct AuditedRequest {
    log: AuditLog,
    entry: Option<AuditEntry>,
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
        Ok(Self { log: log.clone(), entry: Some(entry) })
    }

    /// Writes the outcome. An entry that cannot be written is logged and reported as a problem of health.
    pub(crate) async fn end(mut self, status: StatusCode, object: Option<AuditObject>) {
        let Some(entry) = self.entry.take() else { return };
        let written = self.log.write(entry.with_event(event(status)).with_response(status.as_u16(), object));
        // The file has logged the error.
        written.await.ok();
    }
}

fn event(status: StatusCode) -> AuditEvent {
    if status.is_client_error() {
        AuditEvent::Refused
    } else if status.is_server_error() {
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
            drop(self.log.write(entry.with_event(event)));
        }
    }
}
