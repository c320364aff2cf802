//! Reads and changes single operations.

use std::time::Duration;

use jiff::Timestamp;
use koan_backup_core::{BackupId, Error, ErrorKind, Result};
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, named_params};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::failure::CallError;
use crate::operations::identifier::{OperationId, OwnerId};
use crate::operations::operation::{
    Cancellation, Initiator, Operation, OperationKind, OperationStatus, Owner,
};
use crate::operations::request::RepetitionKey;
use crate::operations::store::{Claim, Created, Finished, Held, LeaseSighting, OperationEnd, Renewal};

/// The columns of an operation without its result, in the order that [`read`] expects.
pub(super) const COLUMNS: &str = "id, kind, status, request, owner, process, sequence, created_at, started_at, \
     completed_at, cancellation, progress, error";

/// The part of an operation that does not change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredRequest {
    backup_name: Option<String>,
    backup_id: Option<BackupId>,
    #[serde(default)]
    storage_profile: Option<String>,
    providers: Vec<String>,
    started_by: Initiator,
    reason: Option<String>,
}

pub(super) fn create(
    connection: &mut Connection,
    operation: &Operation,
    lease_time: Duration,
    repetition: Option<&RepetitionKey>,
) -> Result<Created, CallError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Some(repetition) = repetition
        && let Some(created) = find_repeated(&transaction, repetition)?
    {
        return Ok(created);
    }
    let request = StoredRequest {
        backup_name: operation.backup_name.clone(),
        backup_id: operation.backup_id,
        storage_profile: operation.storage_profile.clone(),
        providers: operation.providers.clone(),
        started_by: operation.started_by.clone(),
        reason: operation.reason.clone(),
    };
    transaction.execute(
        "INSERT INTO operations (id, kind, status, request, owner, process, lease_milliseconds, sequence, \
         created_at, progress, repetition_key, request_hash) \
         VALUES (:id, :kind, :status, :request, :owner, :process, :lease, :sequence, :created_at, :progress, \
         :repetition_key, :request_hash)",
        named_params! {
            ":id": operation.id.to_string(),
            ":kind": operation.kind.name(),
            ":status": operation.status.name(),
            ":request": json(&request)?,
            ":owner": operation.owner.id.to_string(),
            ":process": operation.owner.process,
            ":lease": i64::try_from(lease_time.as_millis()).unwrap_or(i64::MAX),
            ":sequence": number(operation.sequence),
            ":created_at": time_text(operation.created_at),
            ":progress": json(&operation.progress)?,
            ":repetition_key": repetition.map(|repetition| &repetition.key),
            ":request_hash": repetition.map(|repetition| &repetition.request),
        },
    )?;
    transaction.commit()?;
    Ok(Created::New)
}

pub(super) fn find_repeated(
    connection: &Connection,
    repetition: &RepetitionKey,
) -> Result<Option<Created>, CallError> {
    let found = connection
        .query_row(
            "SELECT id, request_hash FROM operations WHERE repetition_key = ?1",
            [&repetition.key],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)),
        )
        .optional()?;
    let Some((id, request)) = found else { return Ok(None) };
    let id = parse_id(&id)?;
    if request.as_ref() != Some(&repetition.request) {
        return Ok(Some(Created::OtherRequest(id)));
    }
    Ok(get(connection, id)?.map(|operation| Created::Repeated(Box::new(operation))))
}

pub(super) fn start(
    connection: &Connection,
    id: OperationId,
    owner: OwnerId,
    at: Timestamp,
    sequence: u64,
) -> Result<OperationStatus, CallError> {
    connection.execute(
        "UPDATE operations SET status = 'running', started_at = :at, sequence = max(sequence, :sequence), \
         renewals = renewals + 1 \
         WHERE id = :id AND owner = :owner AND status = 'queued'",
        named_params! {
            ":id": id.to_string(), ":owner": owner.to_string(), ":at": time_text(at), ":sequence": number(sequence),
        },
    )?;
    let status = connection
        .query_row("SELECT status FROM operations WHERE id = ?1", [id.to_string()], |row| {
            row.get::<_, String>(0)
        })
        .optional()?;
    let Some(status) = status else {
        return Err(
            Error::new(ErrorKind::Corrupt, format!("the record of operation {id} has disappeared")).into()
        );
    };
    OperationStatus::named(&status).ok_or_else(|| damaged(&id.to_string(), "status").into())
}

pub(super) fn renew(
    connection: &mut Connection,
    owner: OwnerId,
    renewals: &[Renewal],
) -> Result<(), CallError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut statement = transaction.prepare_cached(
            "UPDATE operations SET renewals = renewals + 1, sequence = max(sequence, :sequence), \
             progress = coalesce(:progress, progress) \
             WHERE id = :id AND owner = :owner AND completed_at IS NULL",
        )?;
        for renewal in renewals {
            statement.execute(named_params! {
                ":id": renewal.id.to_string(),
                ":owner": owner.to_string(),
                ":sequence": number(renewal.sequence),
                ":progress": renewal.progress.as_ref().map(json).transpose()?,
            })?;
        }
    }
    Ok(transaction.commit()?)
}

pub(super) fn held(connection: &Connection, owner: OwnerId) -> Result<Vec<Held>, CallError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, cancellation FROM operations WHERE owner = ?1 AND completed_at IS NULL",
    )?;
    let rows = statement.query_map([owner.to_string()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
    })?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let held = rows.into_iter().map(|(id, cancellation)| {
        let cancellation = cancellation.map(|text| parse(&id, "cancellation", &text)).transpose()?;
        Ok(Held { id: parse_id(&id)?, cancellation })
    });
    held.collect::<Result<Vec<_>>>().map_err(CallError::Record)
}

pub(super) fn request_cancellation(
    connection: &mut Connection,
    id: OperationId,
    cancellation: &Cancellation,
) -> Result<Option<Operation>, CallError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(
        "UPDATE operations SET status = 'cancelling', cancellation = :cancellation, sequence = sequence + 1 \
         WHERE id = :id AND completed_at IS NULL AND cancellation IS NULL",
        named_params! { ":id": id.to_string(), ":cancellation": json(cancellation)? },
    )?;
    let operation = get(&transaction, id)?;
    transaction.commit()?;
    Ok(operation)
}

pub(super) fn finish(
    connection: &mut Connection,
    id: OperationId,
    claim: Claim,
    end: &OperationEnd,
) -> Result<Finished, CallError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (owner, renewals) = match claim {
        Claim::Owner(owner) => (owner, None),
        Claim::Expired(sighting) => (sighting.owner, Some(number(sighting.renewals))),
    };
    let changed = transaction.execute(
        "UPDATE operations SET status = :status, error = :error, result = :result, \
         progress = coalesce(:progress, progress), cancellation = coalesce(cancellation, :cancellation), \
         sequence = max(sequence + 1, coalesce(:sequence, 0)), \
         completed_at = max(:completed_at, created_at, coalesce(started_at, created_at)) \
         WHERE id = :id AND owner = :owner AND completed_at IS NULL \
         AND renewals = coalesce(:renewals, renewals)",
        named_params! {
            ":id": id.to_string(),
            ":owner": owner.to_string(),
            ":renewals": renewals,
            ":status": end.status.name(),
            ":completed_at": time_text(end.completed_at),
            ":error": end.error.as_ref().map(json).transpose()?,
            ":result": end.result.as_ref().map(json).transpose()?,
            ":progress": end.progress.as_ref().map(json).transpose()?,
            ":cancellation": end.cancellation.as_ref().map(json).transpose()?,
            ":sequence": end.sequence.map(number),
        },
    )?;
    let operation = get(&transaction, id)?.map(Box::new);
    transaction.commit()?;
    Ok(match operation {
        None => Finished::Missing,
        Some(operation) if changed == 1 => Finished::Recorded(operation),
        Some(operation) => Finished::Refused(operation),
    })
}

pub(super) fn get(connection: &Connection, id: OperationId) -> Result<Option<Operation>, CallError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS}, result FROM operations WHERE id = ?1"))?;
    let mut rows = statement.query([id.to_string()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut operation = read(row)?;
    let result = row.get::<_, Option<String>>("result")?;
    operation.result = result.map(|text| parse(&id.to_string(), "result", &text)).transpose()?;
    Ok(Some(operation))
}

pub(super) fn leases(connection: &Connection) -> Result<Vec<LeaseSighting>, CallError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, owner, renewals, lease_milliseconds FROM operations WHERE completed_at IS NULL",
    )?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?))
    })?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let sightings = rows.into_iter().map(|(id, owner, renewals, lease)| {
        Ok(LeaseSighting {
            owner: owner.parse().map_err(|_| damaged(&id, "owner"))?,
            renewals: u64::try_from(renewals).map_err(|_| damaged(&id, "renewals"))?,
            lease_time: Duration::from_millis(u64::try_from(lease).map_err(|_| damaged(&id, "lease"))?),
            id: parse_id(&id)?,
        })
    });
    sightings.collect::<Result<Vec<_>>>().map_err(CallError::Record)
}

/// Reads an operation without its result from a row with [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> Result<Operation, CallError> {
    let id = row.get::<_, String>("id")?;
    let (kind, status) = (row.get::<_, String>("kind")?, row.get::<_, String>("status")?);
    let request: StoredRequest = parse(&id, "request", &row.get::<_, String>("request")?)?;
    let optional_time = |column: &'static str| -> Result<Option<Timestamp>, CallError> {
        let text = row.get::<_, Option<String>>(column)?;
        Ok(text.map(|text| time(&id, column, &text)).transpose()?)
    };
    let cancellation = row.get::<_, Option<String>>("cancellation")?;
    let error = row.get::<_, Option<String>>("error")?;
    Ok(Operation {
        kind: OperationKind::named(&kind).ok_or_else(|| damaged(&id, "kind"))?,
        status: OperationStatus::named(&status).ok_or_else(|| damaged(&id, "status"))?,
        backup_name: request.backup_name,
        backup_id: request.backup_id,
        storage_profile: request.storage_profile,
        providers: request.providers,
        started_by: request.started_by,
        reason: request.reason,
        created_at: time(&id, "created_at", &row.get::<_, String>("created_at")?)?,
        started_at: optional_time("started_at")?,
        completed_at: optional_time("completed_at")?,
        cancellation: cancellation.map(|text| parse(&id, "cancellation", &text)).transpose()?,
        progress: parse(&id, "progress", &row.get::<_, String>("progress")?)?,
        error: error.map(|text| parse(&id, "error", &text)).transpose()?,
        result: None,
        owner: Owner {
            id: row.get::<_, String>("owner")?.parse().map_err(|_| damaged(&id, "owner"))?,
            process: row.get::<_, u32>("process")?,
        },
        sequence: u64::try_from(row.get::<_, i64>("sequence")?).map_err(|_| damaged(&id, "sequence"))?,
        id: parse_id(&id)?,
    })
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|source| Error::with_source(ErrorKind::Internal, "an operation is not valid JSON", source))
}

fn parse<T: DeserializeOwned>(id: &str, column: &str, text: &str) -> Result<T> {
    // The error of serde may contain a value.
    serde_json::from_str(text).map_err(|_| damaged(id, column))
}

/// Returns a time as text with a fixed number of digits, so that the order of texts is the order of times.
pub(super) fn time_text(at: Timestamp) -> String {
    format!("{at:.6}")
}

fn time(id: &str, column: &str, text: &str) -> Result<Timestamp> {
    text.parse().map_err(|_| damaged(id, column))
}

pub(super) fn parse_id(id: &str) -> Result<OperationId> {
    id.parse().map_err(|_| Error::new(ErrorKind::Corrupt, "the id of an operation is not valid"))
}

fn damaged(id: &str, column: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("the column `{column}` of operation `{}` is damaged", id.escape_debug()),
    )
}

/// Returns a number as SQLite stores it.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
