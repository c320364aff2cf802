//! Brings records that were sent aside into a table that has rows.

use koan_backup_core::{ConflictMode, Error, ErrorKind, Result, SessionOptions, WriteCounts};

use super::super::connection::Connection;
use super::super::identifier::quoted;
use super::keys::first_key;
use super::load::{Loading, fails, first_taken};
use super::target::Target;

/// Merges by key.
pub(super) async fn into_rows(
    connection: &Connection,
    options: &SessionOptions,
    loading: &Loading,
    stage: &str,
) -> Result<WriteCounts> {
    let target = &loading.target;
    let what = format!("writing {}", target.entity.name());
    require_keys_once(connection, target, stage).await?;
    connection.run(&what, &format!("ANALYZE {stage}")).await?;
    if fails(options)
        && let Some(key) = first_taken(connection, loading, stage).await?
    {
        return Err(target.taken(&key));
    }
    let mut counts = WriteCounts::default();
    if options.conflict == ConflictMode::Overwrite {
        counts.updated = update(connection, target, stage, &what).await?;
    }
    let (table, rows, same_key) =
        (target.mapping.table.quoted(), target.mapping.table.rows(), target.same_key());
    let insert = format!(
        "INSERT INTO {table} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {stage} AS s \
         WHERE NOT EXISTS (SELECT FROM {rows} AS t WHERE {same_key})",
        target.column_list(),
        converted(target),
    );
    counts.inserted = connection.execute(&what, &insert).await?;
    let rest = loading.sent.saturating_sub(counts.inserted);
    match options.conflict {
        ConflictMode::Keep => counts.kept = rest,
        _ if counts.updated != rest => {
            return Err(loading.adds_up_wrong(loading.sent, counts.inserted + counts.updated));
        }
        _ => {}
    }
    Ok(counts)
}

/// Writes the rows again whose keys were sent, and tells how many.
async fn update(connection: &Connection, target: &Target, stage: &str, what: &str) -> Result<u64> {
    let (rows, same_key) = (target.mapping.table.rows(), target.same_key());
    if !target.keeps_apart() {
        let several =
            format!("{stage} AS s WHERE (SELECT pg_catalog.count(*) FROM {rows} AS t WHERE {same_key}) > 1");
        if let Some(key) = first_key(connection, target, &several).await? {
            let (name, table) = (target.entity.name(), &target.mapping.table.shown);
            return Err(Error::new(
                ErrorKind::Constraint,
                format!(
                    "{name} `{key}` is the key of several rows of table `{table}`; only one of them can be meant"
                ),
            ));
        }
    }
    let others = target.columns.iter().enumerate().filter(|(index, _)| !target.key.contains(index));
    let set: Vec<String> =
        others.map(|(_, column)| format!("{} = {}", quoted(&column.name), column.converted())).collect();
    if set.is_empty() {
        let same = format!(
            "SELECT pg_catalog.count(*) FROM {stage} AS s WHERE EXISTS (SELECT FROM {rows} AS t WHERE {same_key})"
        );
        return connection.number(what, &same).await;
    }
    let update = format!("UPDATE {rows} AS t SET {} FROM {stage} AS s WHERE {same_key}", set.join(", "));
    connection.execute(what, &update).await
}

/// Inserts all that was sent into a table that is empty.
pub(super) async fn insert_all(connection: &Connection, target: &Target, stage: &str) -> Result<u64> {
    let insert = format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {stage} AS s",
        target.mapping.table.quoted(),
        target.column_list(),
        converted(target),
    );
    connection.execute(&format!("writing {}", target.entity.name()), &insert).await
}

/// Refuses a key that is there twice.
pub(super) async fn require_keys_once(connection: &Connection, target: &Target, rows: &str) -> Result<()> {
    let keys = target.key_list();
    if keys.is_empty() {
        return Ok(());
    }
    let twice = format!("{rows} GROUP BY {keys} HAVING pg_catalog.count(*) > 1");
    match first_key(connection, target, &twice).await? {
        Some(key) => Err(target.twice(&key)),
        None => Ok(()),
    }
}

fn converted(target: &Target) -> String {
    target.columns.iter().map(super::target::TargetColumn::converted).collect::<Vec<_>>().join(", ")
}
