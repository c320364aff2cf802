//! An entry of the audit log.

use std::net::IpAddr;

use axum::extract::MatchedPath;
use axum::http::request::Parts;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::path::{ShownObjects, shown, shown_path};
use crate::access::peer::Peer;
use crate::access::principal::Principal;
use crate::access::role::Role;

/// What an entry states about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum AuditEvent {
    /// The request is about to be handled.
    Requested,
    /// The change was made, or an operation was started.
    Completed,
    /// The request was refused.
    Refused,
    /// An error occurred. The change may be incomplete.
    Failed,
    /// The connection ended before the answer. The change may have been made or may still be made.
    Disconnected,
}

/// The object of a change, which a handler adds to the extensions of its response if the path does not name it, for
/// example the id of the operation that was started.
#[derive(Clone, Debug)]
pub(crate) struct AuditObject(pub(crate) String);

/// An entry of the audit log.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditEntry {
    time: Timestamp,
    /// The id that the entries of one request have in common.
    request_id: Uuid,
    event: AuditEvent,
    name: String,
    role: Role,
    origin: &'static str,
    method: String,
    /// The pattern of the route.
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<String>,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

impl AuditEntry {
    /// Creates the entry of a request that is about to be handled.
    pub(crate) fn requested(
        parts: &Parts,
        principal: &Principal,
        peer: Peer,
        shown_objects: &ShownObjects,
    ) -> Self {
        let original = parts.extensions.get::<axum::extract::OriginalUri>();
        let path = original.map_or(&parts.uri, |original| &original.0).path();
        let route = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned());
        Self {
            time: Timestamp::now(),
            request_id: Uuid::now_v7(),
            event: AuditEvent::Requested,
            name: principal.name().to_owned(),
            role: principal.role(),
            origin: principal.origin().name(),
            method: parts.method.as_str().to_owned(),
            path: shown_path(path, route.as_deref().unwrap_or_default(), shown_objects),
            route,
            object: None,
            peer: peer.address(),
            status: None,
        }
    }

    /// Returns the entry of the same request with another event.
    pub(crate) fn with_event(&self, event: AuditEvent) -> Self {
        Self { time: Timestamp::now(), event, ..self.clone() }
    }

    /// Sets the status of the response.
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Sets the object.
    pub(crate) fn with_object(mut self, object: Option<AuditObject>) -> Self {
        self.object = object.as_ref().map(|object| shown(&object.0));
        self
    }

    /// Emits the entry as an event of `tracing`.
    pub(super) fn emit(&self) {
        tracing::info!(
            target: "koan::backup::audit",
            request = %self.request_id,
            event = ?self.event,
            name = self.name,
            role = self.role.name(),
            origin = self.origin,
            method = self.method,
            route = self.route,
            path = self.path,
            object = self.object,
            peer = self.peer.map(tracing::field::display),
            status = self.status,
            "a request changes something"
        );
    }
}
