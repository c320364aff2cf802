//! The variable parts of the paths of event streams and single backups.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use koan_backup_core::BackupId;
use serde::Serialize;

use crate::problem::{Problem, ProblemKind};
use crate::requests::PathParameters;
use crate::state::Shared;
use crate::streams;

/// The object name in the path, which an event type declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectPath(pub(crate) String);

impl FromRequestParts<Arc<Shared>> for ObjectPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let parameters = PathParameters::from_request_parts(parts, shared).await?;
        let object = parameters.get("object")?;
        streams::of(shared, object)?;
        Ok(Self(object.to_owned()))
    }
}

/// The object name and the object id in the path. They may contain any characters.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StreamPath {
    pub(crate) object: String,
    pub(crate) id: String,
}

impl FromRequestParts<Arc<Shared>> for StreamPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let ObjectPath(object) = ObjectPath::from_request_parts(parts, shared).await?;
        let parameters = PathParameters::from_request_parts(parts, shared).await?;
        Ok(Self { object, id: parameters.get("id")?.to_owned() })
    }
}

/// The id of a single backup in the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct StreamBackupPath(pub(crate) BackupId);

impl<S: Send + Sync> FromRequestParts<S> for StreamBackupPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let parameters = PathParameters::from_request_parts(parts, state).await?;
        let id = parameters.get("backup")?.parse();
        // The text may be the object id of an encrypted stream, so it is not repeated.
        id.map(Self).map_err(|_| {
            Problem::new(ProblemKind::Invalid, "the path does not contain the id of a single backup")
                .with_help("use the complete id, which `/api/stream-backups` contains")
        })
    }
}
