//! The settings that every connection sets, so that backups and restores do not depend on the configuration
//! of the server, the database or the role.

use std::collections::BTreeMap;

use koan_backup_core::{Error, ErrorKind, Result};
use tokio_postgres::error::SqlState;

use super::connection::Connection;
use super::error::failed;

/// Settings that any role may change, with the value that each connection sets.
///
/// The list does not contain `search_path` and `synchronous_commit`, because their new values depend on their
/// current values.
pub(super) const SESSION_PARAMETERS: &[(&str, &str)] = &[
    // These settings determine how values are written and read as text.
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "iso_8601"),
    ("TimeZone", "UTC"),
    ("timezone_abbreviations", "Default"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
    ("lc_numeric", "C"),
    ("lc_time", "C"),
    ("xmloption", "content"),
    ("xmlbinary", "base64"),
    ("array_nulls", "on"),
    // These settings determine how statements are parsed.
    ("standard_conforming_strings", "on"),
    ("backslash_quote", "safe_encoding"),
    ("escape_string_warning", "off"),
    ("transform_null_equals", "off"),
    ("quote_all_identifiers", "off"),
    ("exit_on_error", "off"),
    // This setting determines which rows a query returns. With `row_security` off, the server refuses a query
    // from which it would hide rows.
    ("row_security", "off"),
    ("gin_fuzzy_search_limit", "0"),
    // These settings determine the properties of a transaction whose statement does not set them.
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("default_transaction_deferrable", "off"),
    // These time limits could end a statement or a session.
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("transaction_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    // Queries of the catalogs are short but have expensive plans: compiling one takes longer than running it.
    ("jit", "off"),
    // A restore creates tables in this tablespace.
    ("default_tablespace", ""),
    ("default_table_access_method", "heap"),
];

/// Settings that only some roles may change. If one of them has another value and cannot be set, the
/// connection is refused.
pub(super) const REQUIRED: &[(&str, &str, &str)] = &[
    ("session_replication_role", "origin", "foreign keys would not be checked"),
    ("zero_damaged_pages", "off", "the rows of damaged pages would be omitted without an error"),
    ("ignore_checksum_failure", "off", "damaged pages would be read without an error"),
];

/// Sets `synchronous_commit` so that a commit waits until it is on disk. The value `remote_apply`, with which
/// a commit also waits for standbys, is not changed.
const SYNCHRONOUS_COMMIT: &str = "SELECT pg_catalog.set_config('synchronous_commit', CASE \
                                  pg_catalog.current_setting('synchronous_commit') WHEN 'remote_apply' THEN \
                                  'remote_apply' ELSE 'on' END, false)";

/// Selects the number of decimal places of `money` with the settings of the server, the database or the role.
/// Applications use these settings.
const MONEY_DECIMAL_PLACES: &str =
    "SELECT pg_catalog.scale(pg_catalog.numeric(pg_catalog.int8(0)::pg_catalog.money))::int8";

/// The properties of the connection that were read before its settings were changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct DetectedSettings {
    /// Whether `money` has two decimal places with the settings that applications use. With the settings of
    /// this connection, it always has two.
    pub(super) money_scale_is_two: bool,
}

/// Sets the session parameters of a connection, except `search_path`.
pub(super) async fn set_all(connection: &Connection) -> Result<DetectedSettings> {
    let operation = "setting the session parameters of a connection";
    let to_error = |error: &tokio_postgres::Error| failed(operation, error);
    // These settings are changed first, because they could end or change the following queries.
    connection.run(operation, "SET statement_timeout = 0; SET standard_conforming_strings = on").await?;
    let places = connection.number(operation, MONEY_DECIMAL_PLACES).await?;
    let names = SESSION_PARAMETERS.iter().map(|(name, _)| name.to_ascii_lowercase());
    let names: Vec<String> = names.chain(REQUIRED.iter().map(|(name, ..)| (*name).to_owned())).collect();
    let query = "SELECT name, setting FROM pg_catalog.pg_settings WHERE pg_catalog.lower(name) = ANY ($1)";
    let rows = connection.client.query(query, &[&names]).await;
    let mut current = BTreeMap::new();
    for row in rows.map_err(|error| to_error(&error))? {
        let read = |index| row.try_get::<_, Option<String>>(index).map_err(|error| to_error(&error));
        current.insert(read(0)?.unwrap_or_default().to_ascii_lowercase(), read(1)?.unwrap_or_default());
    }
    // Some settings do not exist in all releases.
    let existing =
        SESSION_PARAMETERS.iter().filter(|(name, _)| current.contains_key(&name.to_ascii_lowercase()));
    let mut statements: Vec<String> =
        existing.map(|(name, value)| format!("SET {name} = '{value}'")).collect();
    statements.push(SYNCHRONOUS_COMMIT.to_owned());
    connection.client.batch_execute(&statements.join("; ")).await.map_err(|error| to_error(&error))?;
    for (name, value, consequence) in REQUIRED {
        if current.get(*name).is_none_or(|current| current == value) {
            continue;
        }
        match connection.client.batch_execute(&format!("SET {name} = {value}")).await {
            Ok(()) => {}
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                return Err(Error::new(
                    ErrorKind::Configuration,
                    format!(
                        "`{name}` is not `{value}` for this role, and the role is not permitted to set it: \
                         {consequence}; set `{name}` to `{value}` for the role and the server, or GRANT SET \
                         ON PARAMETER {name} to the role"
                    ),
                ));
            }
            Err(error) => return Err(to_error(&error)),
        }
    }
    Ok(DetectedSettings { money_scale_is_two: places == 2 })
}
