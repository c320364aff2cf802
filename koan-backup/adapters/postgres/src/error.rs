//! What PostgreSQL's errors mean to whoever backs up or restores.
//!
//! Its details and hints hold content of records (`Key (email)=(…) already exists`), and so do some of its messages: a
//! driver's error is never passed on as a source.

use std::error::Error as StdError;

use koan_backup_core::{Error, ErrorKind};
use tokio_postgres::error::{DbError, SqlState};

/// An error while doing `what`.
pub(super) fn failed(what: &str, error: &tokio_postgres::Error) -> Error {
    let Some(refusal) = error.as_db_error() else {
        let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        return Error::new(
            ErrorKind::Provider,
            format!("{what} failed: the connection to PostgreSQL was lost ({reason}); try again"),
        );
    };
    refused(what, refusal)
}

/// The event trigger whose function raised an error, with that function. It is found by the function's name, which stands in the
/// context of the error in every language of the server; the context itself may hold content of records and is not shown.
pub(super) fn event_trigger<'t>(
    refusal: &DbError,
    triggers: &'t [(String, String)],
) -> Option<(&'t str, &'t str)> {
    let context = refusal.where_()?;
    let found = triggers.iter().find(|(_, function)| context.contains(function.as_str()));
    found.map(|(trigger, function)| (trigger.as_str(), function.as_str()))
}

/// What the server said while doing `what`.
pub(super) fn refused(what: &str, refusal: &DbError) -> Error {
    let (kind, text) = refusal_of(refusal);
    Error::new(kind, format!("{what} failed: {text}"))
}

/// The kind of a refusal and the server's words for it.
pub(super) fn refusal_of(refusal: &DbError) -> (ErrorKind, String) {
    let (kind, remedy) = meaning(refusal.code());
    let told = told(refusal);
    (kind, remedy.map_or_else(|| told.clone(), |remedy| format!("{told}; {remedy}")))
}

/// The server's words, where they cannot hold content of records, and the names of what it is about.
fn told(refusal: &DbError) -> String {
    let code = refusal.code().code();
    let class = code.get(..2).unwrap_or_default();
    let words = match class {
        // Names of columns, constraints and settings.
        "08" | "0A" | "23" | "25" | "28" | "2B" | "3D" | "3F" | "40" | "42" | "53" | "54" | "55" | "57"
        | "58" => refusal.message(),
        "22" => condition(refusal.code()),
        "P0" => "a function or trigger of the database raised an error",
        _ => "the server refused",
    };
    let mut text = format!("{words} (SQLSTATE {code}");
    let names = [
        ("constraint", refusal.constraint()),
        ("table", refusal.table()),
        ("column", refusal.column()),
        ("type", refusal.datatype()),
    ];
    for (what, name) in names {
        if let Some(name) = name {
            text.push_str(&format!(", {what} `{name}`"));
        }
    }
    text.push(')');
    text
}

fn condition(code: &SqlState) -> &'static str {
    match code {
        c if *c == SqlState::NUMERIC_VALUE_OUT_OF_RANGE => {
            "a number is out of the range of its column's type"
        }
        c if *c == SqlState::DIVISION_BY_ZERO => "a number is divided by zero",
        c if *c == SqlState::STRING_DATA_RIGHT_TRUNCATION => "a text is too long for its column's type",
        c if *c == SqlState::INVALID_TEXT_REPRESENTATION => "a value is none that its column's type knows",
        c if *c == SqlState::DATETIME_FIELD_OVERFLOW || *c == SqlState::INVALID_DATETIME_FORMAT => {
            "a date or time is none that its column's type knows"
        }
        c if *c == SqlState::CHARACTER_NOT_IN_REPERTOIRE => {
            "a text has bytes that are no characters of its encoding; find the row and correct its text"
        }
        c if *c == SqlState::UNTRANSLATABLE_CHARACTER => {
            "a text has a character that the encoding of the database or UTF-8 does not have"
        }
        _ => "a value does not fit its column's type",
    }
}

fn meaning(code: &SqlState) -> (ErrorKind, Option<&'static str>) {
    let is = |states: &[SqlState]| states.contains(code);
    if is(&[SqlState::T_R_SERIALIZATION_FAILURE]) {
        return (
            ErrorKind::Provider,
            Some(
                "a standby gives up a read for what it has to replay: set `hot_standby_feedback = on` or a longer \
                 `max_standby_streaming_delay` there, or back up the primary; on a primary, another session changed the same rows: \
                 try again",
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
        return (ErrorKind::Provider, Some("raise `max_connections`, or read by fewer connections"));
    }
    if is(&[SqlState::INSUFFICIENT_PRIVILEGE]) {
        return (ErrorKind::Provider, Some("grant the role what it lacks, or use one that owns the tables"));
    }
    if is(&[SqlState::DISK_FULL]) {
        return (ErrorKind::Provider, Some("the server's disk is full; make room and try again"));
    }
    if is(&[SqlState::T_R_DEADLOCK_DETECTED, SqlState::LOCK_NOT_AVAILABLE]) {
        return (
            ErrorKind::Provider,
            Some("another session holds what is needed; try again when it has ended"),
        );
    }
    if is(&[SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW]) {
        return (ErrorKind::Provider, Some("try again when the server is up"));
    }
    if is(&[SqlState::QUERY_CANCELED]) {
        return (
            ErrorKind::Provider,
            Some("somebody cancelled it, or a time limit of the server did; try again"),
        );
    }
    if is(&[SqlState::READ_ONLY_SQL_TRANSACTION]) {
        return (
            ErrorKind::Provider,
            Some("this is a standby or a read-only database; restore to the primary"),
        );
    }
    match code.code().get(..2) {
        Some("23") => (ErrorKind::Constraint, None),
        Some("22") => (ErrorKind::Record, None),
        _ => (ErrorKind::Provider, None),
    }
}
