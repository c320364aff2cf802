//! Converts PostgreSQL's errors to errors with a remedy.
//!
//! Details and hints of PostgreSQL contain values of records (`Key (email)=(…) already exists`), and so do
//! some messages. A driver's error is therefore never used as a source.

use std::error::Error as StdError;

use koan_backup_core::{Error, ErrorKind};
use tokio_postgres::error::{DbError, SqlState};

/// Converts an error of the driver during `operation`.
pub(super) fn failed(operation: &str, error: &tokio_postgres::Error) -> Error {
    let Some(error) = error.as_db_error() else {
        let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        return Error::new(
            ErrorKind::Provider,
            format!("{operation} failed: the connection to PostgreSQL was lost ({reason}); try again"),
        );
    };
    server_error(operation, error)
}

/// Returns the event trigger whose function raised an error, and the function. The context of the error
/// contains the name of the function in every language of the server. The context may also contain values of
/// records and is never displayed.
pub(super) fn event_trigger<'t>(
    error: &DbError,
    triggers: &'t [(String, String)],
) -> Option<(&'t str, &'t str)> {
    let context = error.where_()?;
    let found = triggers.iter().find(|(_, function)| context.contains(function.as_str()));
    found.map(|(trigger, function)| (trigger.as_str(), function.as_str()))
}

/// Converts an error of the server during `operation`.
pub(super) fn server_error(operation: &str, error: &DbError) -> Error {
    let (kind, text) = kind_and_message(error);
    Error::new(kind, format!("{operation} failed: {text}")).with_code(error.code().code().to_owned())
}

/// Returns the error kind and the message for an error of the server.
pub(super) fn kind_and_message(error: &DbError) -> (ErrorKind, String) {
    let (kind, remedy) = kind_and_remedy(error.code());
    let message = safe_message(error);
    (kind, remedy.map_or_else(|| message.clone(), |remedy| format!("{message}; {remedy}")))
}

/// Returns the server's message if it cannot contain values of records, with the names of the objects that it
/// concerns.
fn safe_message(error: &DbError) -> String {
    let code = error.code().code();
    let class = code.get(..2).unwrap_or_default();
    let text = match class {
        // These messages only contain names of columns, constraints and settings.
        "08" | "0A" | "23" | "25" | "28" | "2B" | "3D" | "3F" | "40" | "42" | "53" | "54" | "55" | "57"
        | "58" => error.message(),
        "22" => value_error(error.code()),
        "P0" => "a function or trigger of the database raised an error",
        _ => "the server returned an error",
    };
    let mut text = format!("{text} (SQLSTATE {code}");
    let names = [
        ("constraint", error.constraint()),
        ("table", error.table()),
        ("column", error.column()),
        ("type", error.datatype()),
    ];
    for (object, name) in names {
        if let Some(name) = name {
            text.push_str(&format!(", {object} `{name}`"));
        }
    }
    text.push(')');
    text
}

fn value_error(code: &SqlState) -> &'static str {
    match code {
        c if *c == SqlState::NUMERIC_VALUE_OUT_OF_RANGE => {
            "a number is out of the range of its column's type"
        }
        c if *c == SqlState::DIVISION_BY_ZERO => "a number is divided by zero",
        c if *c == SqlState::STRING_DATA_RIGHT_TRUNCATION => "a text is too long for its column's type",
        c if *c == SqlState::INVALID_TEXT_REPRESENTATION => "a value is not valid for its column's type",
        c if *c == SqlState::DATETIME_FIELD_OVERFLOW || *c == SqlState::INVALID_DATETIME_FORMAT => {
            "a date or time is not valid for its column's type"
        }
        c if *c == SqlState::CHARACTER_NOT_IN_REPERTOIRE => {
            "a text has bytes that are not valid in its encoding; find the row and correct its text"
        }
        c if *c == SqlState::UNTRANSLATABLE_CHARACTER => {
            "a text has a character that cannot be converted between UTF-8 and the encoding of the database"
        }
        _ => "a value does not fit its column's type",
    }
}

fn kind_and_remedy(code: &SqlState) -> (ErrorKind, Option<&'static str>) {
    let is = |states: &[SqlState]| states.contains(code);
    if is(&[SqlState::T_R_SERIALIZATION_FAILURE]) {
        return (
            ErrorKind::Provider,
            Some(
                "a standby cancels a read that conflicts with replication: set `hot_standby_feedback = on` \
                 or a longer `max_standby_streaming_delay` on the standby, or back up the primary; on a primary, \
                 another session changed the same rows: try again",
            ),
        );
    }
    if is(&[SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION]) {
        return (ErrorKind::Provider, Some("check user, password and pg_hba.conf"));
    }
    if is(&[SqlState::INVALID_CATALOG_NAME]) {
        return (ErrorKind::Provider, Some("check the name of the database, or create it"));
    }
    if is(&[SqlState::TOO_MANY_CONNECTIONS]) {
        return (ErrorKind::Provider, Some("raise `max_connections`, or read with fewer connections"));
    }
    if is(&[SqlState::INSUFFICIENT_PRIVILEGE]) {
        return (
            ErrorKind::Provider,
            Some("grant the role the missing privilege, or use the role that owns the tables"),
        );
    }
    if is(&[SqlState::DISK_FULL]) {
        return (ErrorKind::Provider, Some("the server's disk is full; free space and try again"));
    }
    if is(&[SqlState::T_R_DEADLOCK_DETECTED, SqlState::LOCK_NOT_AVAILABLE]) {
        return (
            ErrorKind::Provider,
            Some("another session holds a required lock; try again when it has ended"),
        );
    }
    if is(&[SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW]) {
        return (ErrorKind::Provider, Some("try again when the server is running"));
    }
    if is(&[SqlState::QUERY_CANCELED]) {
        return (
            ErrorKind::Provider,
            Some("a user or a time limit of the server cancelled the statement; try again"),
        );
    }
    if is(&[SqlState::READ_ONLY_SQL_TRANSACTION]) {
        return (
            ErrorKind::Provider,
            Some("the server is a standby, or the database is read-only; restore to the primary"),
        );
    }
    match code.code().get(..2) {
        Some("23") => (ErrorKind::Constraint, None),
        Some("22") => (ErrorKind::Record, None),
        _ => (ErrorKind::Provider, None),
    }
}
