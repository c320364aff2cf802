//! Lists the object names and the object ids of the event store, and finds the last versions.

use std::collections::BTreeSet;
use std::path::Path;

use koan_backup_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::super::error::failed;
use super::identity::Identity;
use super::store_tables::{StoreTable, StoreTables};
use super::stored_form::{StoreContent, integer};

/// Returns the object names, in the order of their bytes.
pub(super) fn object_names(
    connection: &Connection,
    path: &Path,
    tables: &StoreTables,
) -> Result<Vec<String>> {
    let mut names = BTreeSet::new();
    add_object_names(connection, path, tables, &tables.events, &mut names)?;
    if let Some(snapshots) = &tables.snapshots {
        add_object_names(connection, path, tables, snapshots, &mut names)?;
    }
    Ok(names.into_iter().collect())
}

fn add_object_names<C: StoreContent>(
    connection: &Connection,
    path: &Path,
    tables: &StoreTables,
    table: &StoreTable<C>,
    names: &mut BTreeSet<String>,
) -> Result<()> {
    let to_error = |error| failed(path, &format!("reading table `{}`", table.name), error);
    let Some(column) = table.column(C::OBJECT) else {
        let only = tables.names.only_object_name().unwrap_or_default();
        if has_rows(connection, path, table, only)? {
            names.insert(only.to_owned());
        }
        return Ok(());
    };
    require_object_names(connection, path, table)?;
    let object = column.by_bytes();
    let next = |operator: &str| {
        format!(
            "SELECT {object} FROM {} WHERE {object} {operator} ?1 ORDER BY {object} LIMIT 1",
            table.quoted()
        )
    };
    let (first, later) = (next(">="), next(">"));
    let (mut query, mut last) = (&first, String::new());
    loop {
        let mut statement = connection.prepare_cached(query).map_err(to_error)?;
        let found = statement.query_row([&last], |row| row.get::<_, String>(0)).optional();
        let Some(name) = found.map_err(to_error)? else { return Ok(()) };
        last.clone_from(&name);
        names.insert(name);
        query = &later;
    }
}

/// Refuses rows whose object name is not text, because no read would find them.
pub(super) fn require_object_names<C: StoreContent>(
    connection: &Connection,
    path: &Path,
    table: &StoreTable<C>,
) -> Result<()> {
    let Some(column) = table.column(C::OBJECT) else { return Ok(()) };
    let object = column.by_bytes();
    // Numbers are less than any text, and BLOBs are greater.
    let query = format!(
        "SELECT EXISTS (SELECT 1 FROM {0} WHERE {object} IS NULL) OR EXISTS (SELECT 1 FROM {0} WHERE {object} < '') \
         OR EXISTS (SELECT 1 FROM {0} WHERE {object} >= x'')",
        table.quoted()
    );
    let found = connection.query_row(&query, [], |row| row.get::<_, bool>(0));
    let found = found.map_err(|error| failed(path, &format!("reading table `{}`", table.name), error))?;
    if !found {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Record,
        format!(
            "column `{}` of table `{}` contains an object name that is not stored as text, so its rows would not be \
             read",
            column.name, table.name
        ),
    )
    .with_help("store the object names of all rows as text"))
}

/// Returns whether the event store contains something with this object name.
pub(super) fn contains(
    connection: &Connection,
    path: &Path,
    tables: &StoreTables,
    object: &str,
) -> Result<bool> {
    if !tables.may_contain(object) {
        return Ok(false);
    }
    Ok(has_rows(connection, path, &tables.events, object)?
        || match &tables.snapshots {
            Some(snapshots) => has_rows(connection, path, snapshots, object)?,
            None => false,
        })
}

fn has_rows<C: StoreContent>(
    connection: &Connection,
    path: &Path,
    table: &StoreTable<C>,
    object: &str,
) -> Result<bool> {
    let query = format!("SELECT EXISTS (SELECT 1 FROM {} WHERE {})", table.quoted(), table.of_object());
    connection
        .query_row(&query, [object], |row| row.get(0))
        .map_err(|error| failed(path, &format!("reading table `{}`", table.name), error))
}

/// Returns the number of rows with this object name.
pub(super) fn count<C: StoreContent>(
    connection: &Connection,
    path: &Path,
    table: &StoreTable<C>,
    object: &str,
) -> Result<u64> {
    let query = format!("SELECT count(*) FROM {} WHERE {}", table.quoted(), table.of_object());
    let count = connection.query_row(&query, [object], |row| row.get::<_, i64>(0));
    let count = count.map_err(|error| failed(path, &format!("counting table `{}`", table.name), error))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Returns the next object ids, in the order of their bytes.
pub(super) fn object_ids(
    connection: &Connection,
    path: &Path,
    tables: &StoreTables,
    object: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>> {
    if !tables.may_contain(object) {
        return Ok(Vec::new());
    }
    let mut ids = BTreeSet::new();
    ids.extend(ids_of(connection, path, &tables.events, object, after, limit)?);
    if let Some(snapshots) = &tables.snapshots {
        ids.extend(ids_of(connection, path, snapshots, object, after, limit)?);
    }
    Ok(ids.into_iter().take(limit).collect())
}

fn ids_of<C: StoreContent>(
    connection: &Connection,
    path: &Path,
    table: &StoreTable<C>,
    object: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>> {
    let to_error = |error| failed(path, &format!("reading table `{}`", table.name), error);
    let id = table.id();
    let select = |distinct: &str, after: Option<&str>, limit: usize| {
        let after = after.map_or_else(String::new, |_| format!(" AND {id} > ?2"));
        format!(
            "SELECT {distinct}{id} FROM {} WHERE {}{after} ORDER BY {id} LIMIT {limit}",
            table.quoted(),
            table.of_object()
        )
    };
    let read = |row: &Row<'_>| -> rusqlite::Result<Result<String>> {
        let stored = row.get_ref(0)?;
        let form = table.column(C::OBJECT_ID).map_or(Err("has no column"), |column| column.form.text(stored));
        let name = table.column(C::OBJECT_ID).map_or("", |column| column.name.as_str());
        Ok(form.and_then(|id| id.ok_or("is NULL")).map_err(|reason| {
            Identity { object, object_id: "?", version: None }.unreadable(&table.name, name, reason)
        }))
    };
    let mut ids: Vec<String> = Vec::new();
    if !table.has_id_order {
        let mut statement =
            connection.prepare_cached(&select("DISTINCT ", after, limit)).map_err(to_error)?;
        let parameters = [Some(object), after];
        let parameters = parameters.iter().flatten();
        let mut rows = statement.query(rusqlite::params_from_iter(parameters)).map_err(to_error)?;
        while let Some(row) = rows.next().map_err(to_error)? {
            ids.push(read(row).map_err(to_error)??);
        }
        return Ok(ids);
    }
    // An index finds each next id without reading the events of the previous one.
    while ids.len() < limit {
        let last = ids.last().map(String::as_str).or(after);
        let mut statement = connection.prepare_cached(&select("", last, 1)).map_err(to_error)?;
        let parameters = [Some(object), last];
        let parameters = rusqlite::params_from_iter(parameters.iter().flatten());
        match statement.query_row(parameters, read).optional().map_err(to_error)? {
            Some(id) => ids.push(id?),
            None => break,
        }
    }
    Ok(ids)
}

/// Returns the version of the last event of an aggregate.
pub(super) fn head(
    connection: &Connection,
    path: &Path,
    tables: &StoreTables,
    object: &str,
    object_id: &str,
) -> Result<Option<u64>> {
    if !tables.may_contain(object) {
        return Ok(None);
    }
    let table = &tables.events;
    let to_error = |error| failed(path, &format!("reading table `{}`", table.name), error);
    let version = table.version();
    let query = format!(
        "SELECT {version} FROM {} WHERE {} ORDER BY {version} DESC LIMIT 1",
        table.quoted(),
        table.of_aggregate()
    );
    let mut statement = connection.prepare_cached(&query).map_err(to_error)?;
    let number = statement.query_row([object, object_id], |row| Ok(integer(row.get_ref(0)?))).optional();
    let unreadable = |reason: &str| {
        Identity { object, object_id, version: None }.unreadable(&table.name, tables.names.version(), reason)
    };
    let Some(number) = number.map_err(to_error)? else { return Ok(None) };
    let number = number.map_err(unreadable)?.ok_or_else(|| unreadable("is NULL"))?;
    let version = tables.names.version_of(number);
    version.map(Some).ok_or_else(|| unreadable("is below the first version"))
}

/// Returns the number of snapshots of an aggregate.
pub(super) fn snapshot_count(
    connection: &Connection,
    path: &Path,
    tables: &StoreTables,
    object: &str,
    object_id: &str,
) -> Result<u64> {
    let Some(table) = tables.snapshots.as_ref().filter(|_| tables.may_contain(object)) else { return Ok(0) };
    let query = format!("SELECT count(*) FROM {} WHERE {}", table.quoted(), table.of_aggregate());
    let to_error = |error| failed(path, &format!("reading table `{}`", table.name), error);
    let mut statement = connection.prepare_cached(&query).map_err(to_error)?;
    let count: i64 = statement.query_row([object, object_id], |row| row.get(0)).map_err(to_error)?;
    Ok(u64::try_from(count).unwrap_or(0))
}
