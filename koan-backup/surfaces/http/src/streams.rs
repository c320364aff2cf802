//! The event streams and the single backups that a request names.

use koan_backup_core::streams::{StreamBackupHandle, StreamBackupQuery, Streams};
use koan_backup_core::{BackupId, Error, ErrorKind, Koan};
use serde_json::{Map, Value};

use crate::access::Role;
use crate::problem::{Problem, ProblemKind};
use crate::state::Shared;

/// The maximum length of the name of an aggregate in the record of an operation, in characters.
const MAX_NAME_LENGTH: usize = 200;

/// Returns the streams with an object name.
pub(crate) fn of(shared: &Shared, object: &str) -> Result<Streams, Problem> {
    shared.koan.streams(object).map_err(|error| {
        if error.kind() != ErrorKind::NotFound {
            return error.into();
        }
        let problem = Problem::new(
            ProblemKind::NotFound,
            "no event type of the application has the object name in the request",
        );
        let known = shared.koan.capabilities().event_streams;
        let similar = known.into_keys().map(|name| (strsim::jaro_winkler(&name, object), name));
        let best = similar.filter(|(similarity, _)| *similarity > 0.8).max_by(|a, b| a.0.total_cmp(&b.0));
        match best {
            Some((_, name)) => problem.with_help(format!("did you mean `{name}`?")),
            None => problem.with_help("`/api/streams` lists the object names"),
        }
    })
}

/// Returns a problem unless the event store contains the aggregate. The problem does not repeat its id, which may be that
/// of an encrypted stream.
pub(crate) async fn require_existing(streams: &Streams, id: &str) -> Result<(), Problem> {
    if streams.contains(id).await? {
        return Ok(());
    }
    let text = format!("the event store has no `{}` with the object id in the request", streams.object());
    Err(Problem::new(ProblemKind::NotFound, text))
}

/// Returns a query of the single backups. That of a viewer does not use what is encrypted: the number of the results
/// would confirm a guess.
pub(crate) fn query_for(koan: &Koan, role: Role) -> StreamBackupQuery {
    let query = koan.stream_backups();
    if role >= Role::Operator { query } else { query.without_keys() }
}

/// Finds a single backup by its id.
pub(crate) async fn find(
    shared: &Shared,
    id: BackupId,
    profile: Option<&str>,
) -> Result<StreamBackupHandle, Problem> {
    let mut find = shared.koan.stream_backup(id);
    if let Some(profile) = profile {
        find = find.from_profile(profile);
    }
    find.await.map_err(|error| missing_or(error, id, profile))
}

/// Returns the problem of a single backup that cannot be used. An unknown one is named without the location of the
/// storage.
fn missing_or(error: Error, id: BackupId, profile: Option<&str>) -> Problem {
    if error.kind() != ErrorKind::NotFound {
        return error.into();
    }
    let place = profile
        .map_or("the default storage profile".to_owned(), |name| format!("the storage profile `{name}`"));
    Problem::new(ProblemKind::NotFound, format!("there is no single backup {id} in {place}"))
        .with_help("use the id of a backup from `/api/stream-backups`")
}

/// Finds a single backup of the aggregate that the request names.
pub(crate) async fn find_of(
    shared: &Shared,
    id: BackupId,
    profile: Option<&str>,
    object: &str,
    object_id: &str,
) -> Result<StreamBackupHandle, Problem> {
    let handle = find(shared, id, profile).await?;
    if handle.object != object {
        let text = format!("backup {id} is of an aggregate `{}`, and not of `{object}`", handle.object);
        return Err(Problem::new(ProblemKind::Conflict, text)
            .with_help(format!("use the object name `{}` in the path", handle.object)));
    }
    if known_id(&handle)? == object_id {
        return Ok(handle);
    }
    let text = format!("backup {id} is of another `{object}` than the one with the object id in the request");
    Err(Problem::new(ProblemKind::Conflict, text)
        .with_help("use the object id of the backup; to restore it with another id, clone it"))
}

/// Returns the object id of a single backup, which a key must decrypt if the backup is encrypted.
pub(crate) fn known_id(handle: &StreamBackupHandle) -> Result<&str, Problem> {
    handle.object_id.as_deref().ok_or_else(|| {
        let id = handle.id;
        let text = format!("no key decrypts the description of backup {id}, so its object id is not known");
        Problem::new(ProblemKind::Key, text).with_help("add the key to the application")
    })
}

/// Deletes a single backup, or finishes a deletion that left its content.
pub(crate) async fn delete(shared: &Shared, id: BackupId, profile: Option<&str>) -> Result<(), Problem> {
    let mut delete = shared.koan.delete_stream_backup(id);
    if let Some(profile) = profile {
        delete = delete.from_profile(profile);
    }
    delete.await.map(drop).map_err(|error| missing_or(error, id, profile))
}

/// Returns whether the records of operations and the audit log contain the ids of the streams with an object name.
pub(crate) fn shows_ids(shared: &Shared, object: &str) -> bool {
    shared.koan.capabilities().event_streams.get(object).is_some_and(|streams| !streams.encrypt)
}

/// Returns the name of an aggregate for the record of an operation, without its id if its type hides it.
pub(crate) fn name_of(shared: &Shared, object: &str, id: &str) -> String {
    let name = if shows_ids(shared, object) { format!("{object} {id}") } else { object.to_owned() };
    name.chars().take(MAX_NAME_LENGTH).collect()
}

/// Returns the name of the aggregate that an operation restores or verifies from a backup. The backup may be encrypted
/// although its type does not require it any more.
pub(crate) fn name_from(shared: &Shared, backup: &StreamBackupHandle, id: Option<&str>) -> String {
    match id {
        Some(id) if !backup.is_encrypted() => name_of(shared, &backup.object, id),
        _ => backup.object.clone(),
    }
}

/// Removes what is encrypted of a single backup from a report: its object id, description, metadata and tags.
pub(crate) fn hide_encrypted(shared: &Shared, report: &mut Value) {
    match report {
        Value::Array(items) => items.iter_mut().for_each(|item| hide_encrypted(shared, item)),
        Value::Object(fields) => {
            if is_encrypted(shared, fields) {
                for name in ["objectId", "description"] {
                    fields.entry(name).and_modify(|value| *value = Value::Null);
                }
                fields.entry("metadata").and_modify(|value| *value = Value::Object(Map::new()));
                fields.entry("tags").and_modify(|value| *value = Value::Array(Vec::new()));
            }
            fields.values_mut().for_each(|value| hide_encrypted(shared, value));
        }
        _ => {}
    }
}

/// Returns whether a part of a report describes an encrypted single backup or an encrypted stream.
fn is_encrypted(shared: &Shared, fields: &Map<String, Value>) -> bool {
    let has_keys = fields.get("keyIds").and_then(Value::as_array).is_some_and(|keys| !keys.is_empty());
    let is_marked = fields.get("encrypted").and_then(Value::as_bool) == Some(true);
    let object = fields.get("object").and_then(Value::as_str);
    has_keys || is_marked || object.is_some_and(|object| !shows_ids(shared, object))
}
