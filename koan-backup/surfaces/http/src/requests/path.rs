//! The variable parts of paths: entities, backups and times.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use koan_backup_core::{BackupId, BackupRef};
use serde::Serialize;

use crate::entities::RoutedEntity;
use crate::operations::OperationId;
use crate::problem::{Problem, ProblemKind};
use crate::state::Shared;

/// The variable parts of the path of a request, decoded.
#[derive(Debug)]
pub(crate) struct PathParameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for PathParameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let parameters = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::new(ProblemKind::Malformed, "a part of the path is not UTF-8"))?;
        Ok(Self(parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }
}

impl PathParameters {
    /// Returns the part with this name.
    pub(crate) fn get(&self, name: &str) -> Result<&str, Problem> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .ok_or_else(|| Problem::new(ProblemKind::NotFound, format!("the path has no `{name}`")))
    }
}

impl OperationId {
    /// Returns the id in `{id}` of a path.
    pub(crate) fn of_path(path: &PathParameters) -> Result<Self, Problem> {
        Self::of_text(path.get("id")?)
    }

    /// Returns the id that a client has sent.
    pub(crate) fn of_text(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| {
            Problem::new(ProblemKind::NotFound, "the request does not contain the id of an operation")
                .with_help("use an id from the list of operations")
        })
    }
}

/// The entity in the path: a route that is specific to an entity has it as an extension.
#[derive(Clone, Debug)]
pub(crate) struct EntityPath(pub(crate) RoutedEntity);

impl FromRequestParts<Arc<Shared>> for EntityPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        if let Some(entity) = parts.extensions.get::<RoutedEntity>() {
            return Ok(Self(entity.clone()));
        }
        let parameters = PathParameters::from_request_parts(parts, shared).await?;
        shared.entities.find(parameters.get("entity")?).map(Self)
    }
}

/// The backup in the path: `{backup}` of a route for all entities, or `{at}` of a route for one entity.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BackupPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for BackupPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let parameters = PathParameters::from_request_parts(parts, state).await?;
        let backup = parameters.get("at").or_else(|_| parameters.get("backup"))?;
        if backup.is_empty() || backup.chars().count() > 128 || backup.chars().any(char::is_control) {
            return Err(Problem::new(
                ProblemKind::NotFound,
                "the backup in the path must be an id, the last eight digits of an id, or a name",
            ));
        }
        Ok(Self(backup.to_owned()))
    }
}

/// What `{at}` selects among the backups of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// An id, eight digits of an id, or `latest`.
    Backup(BackupRef),
    /// The second in which the backup started, in UTC.
    Second(Timestamp),
}

impl BackupPath {
    /// Returns the reference of `{backup}`: an id, eight digits of an id, or a name.
    pub(crate) fn reference(&self) -> BackupRef {
        BackupRef::from(self.0.as_str())
    }

    /// Returns the id, for routes that accept nothing else.
    pub(crate) fn id(&self) -> Result<BackupId, Problem> {
        self.0.parse().map_err(|_| {
            Problem::new(ProblemKind::Invalid, format!("`{}` is not the id of a backup", self.0))
                .with_help("use the complete id, which the list of backups contains")
        })
    }

    /// Returns what `{at}` selects.
    pub(crate) fn at(&self) -> Result<At, Problem> {
        if let Some(second) = second(&self.0) {
            return Ok(At::Second(second));
        }
        let is_digits = self.0.len() == 8 && self.0.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_digits || self.0 == "latest" || self.0.parse::<BackupId>().is_ok() {
            return Ok(At::Backup(self.reference()));
        }
        Err(Problem::new(
            ProblemKind::NotFound,
            format!("`{}` is not the id of a backup, its last eight digits, `latest`, or a time", self.0),
        )
        .with_help("write a time as `2025-10-02T15-30-45Z`"))
    }
}

/// Parses a time such as `2025-10-02T15-30-45Z`.
fn second(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    if date.len() != 10 || time.len() != 8 {
        return None;
    }
    let civil: DateTime = format!("{date}T{}", time.replace('-', ":")).parse().ok()?;
    // The parser also accepts other forms, such as a leap second.
    let is_same = civil.strftime("%Y-%m-%dT%H-%M-%SZ").to_string() == text;
    TimeZone::UTC.to_timestamp(civil).ok().filter(|_| is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<At> {
        BackupPath(text.to_owned()).at().ok()
    }

    #[test]
    fn a_time_selects_a_second() {
        let second = "2025-10-02T15:30:45Z".parse().expect("the time is valid");
        assert_eq!(at("2025-10-02T15-30-45Z"), Some(At::Second(second)));
        for other in [
            "2025-10-02T15-30-45",
            "2025-10-02",
            "2025-13-02T15-30-45Z",
            "2025-10-02T15-30-61Z",
            "2025-10-02T15-30-60Z",
            "2025-10-02T15:30:45Z",
            "T-Z",
        ] {
            assert_eq!(at(other), None, "{other}");
        }
    }

    #[test]
    fn an_id_eight_digits_and_latest_select_a_backup() {
        for text in ["0199b2f2-6f1c-7d34-a0b1-5d2f77c0f4aa", "77c0f4aa", "latest"] {
            assert!(matches!(at(text), Some(At::Backup(_))), "{text}");
        }
        assert_eq!(at("nightly"), None);
    }
}
