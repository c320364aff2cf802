//! Sends the records of one target, and what becomes of them in the end.

use std::sync::Arc;
use std::time::Duration;

use koan_backup_core::{
    ConflictMode, Error, ErrorKind, RestoreLevel, Result,
    provider::{EncodedRecords, SessionIntent, SessionOptions, WriteCounts},
};
use tokio_postgres::Statement;

use super::super::catalog::TableKind;
use super::super::connection::Connection;
use super::super::error::{failed, kind_and_message};
use super::super::insert_only;
use super::balance::{Expected, Interference};
use super::copy::{CopyUnderWay, NotTaken};
use super::keys::first_key;
use super::suspended::{Extent, Suspended};
use super::target::Target;
use super::{compare, merge};
use koan_backup_sql::identifier::quoted;

/// How long a refused record is looked for in the archive.
const PATIENCE: Duration = Duration::from_secs(20);

/// A target that is being written.
#[derive(Debug)]
pub(super) struct Loading {
    pub(super) target: Arc<Target>,
    /// The table that is sent to: the target itself, or one for this transaction.
    pub(super) stage: Option<String>,
    /// Where the keys are that were there, if what was there is gone.
    previous: Option<String>,
    /// How many rows there were when writing began, where no other writer can change that.
    rows_before: Option<u64>,
    /// Whether other writers are kept out of the table.
    locked: Locked,
    /// Whether triggers may change what is written.
    interference: Interference,
    statement: Statement,
    /// What the server is taking.
    under_way: Option<CopyUnderWay>,
    pub(super) sent: u64,
    /// How many records were handed over, whether or not the server has taken them.
    pub(super) written: u64,
}

impl Loading {
    pub(super) async fn begin(
        connection: &Connection,
        options: &SessionOptions,
        suspended: &mut Suspended,
        mut target: Target,
        number: usize,
    ) -> Result<Self> {
        let what = format!("preparing table `{}`", target.mapping.table.display_name);
        target.read_equality(connection).await?;
        target.find_recomputed(connection).await?;
        if options.intent == SessionIntent::Compare {
            target.find_defaults(connection).await?;
        }
        let (mut previous, mut is_empty, mut rows_before, mut locked) = (None, false, None, Locked::No);
        if options.intent == SessionIntent::Apply {
            locked = lock(connection, &target, &what).await?;
            is_empty = is_empty_now(connection, &target, &what).await?;
            let extent = Extent::of(options, is_empty);
            target.refusing_publications =
                insert_only::publications(connection, &target.mapping.table, extent).await?;
            suspended.suspend(connection, &target, extent).await?;
            if locked == Locked::Yes {
                rows_before = match (extent.is_bulk, suspended.interference) {
                    (true, _) => Some(0),
                    (false, Interference::Possible) => {
                        let rows = target.mapping.table.rows();
                        let count = format!("SELECT pg_catalog.count(*) FROM {rows}");
                        Some(connection.number(&what, &count).await?)
                    }
                    (false, Interference::Impossible) => None,
                };
            }
            if extent.deletes {
                let emptied = empty(connection, options, suspended, &target, number, &what).await;
                previous = Some(emptied.map_err(|error| target.explained(error))?);
            }
        }
        let route = Route::of(&target, options, is_empty, suspended.interference);
        let stage = match route {
            Route::Direct => None,
            Route::Staged => Some(stage(connection, &target, number, &what).await?),
        };
        let into = match &stage {
            Some(stage) => stage.clone(),
            None => target.mapping.table.quoted(),
        };
        let (columns, form) = (target.column_list(), target.form.name());
        let copy = format!("COPY {into} ({columns}) FROM STDIN (FORMAT {form})");
        let statement = connection.client.prepare(&copy).await.map_err(|error| failed(&what, &error))?;
        Ok(Self {
            target: Arc::new(target),
            stage,
            previous,
            rows_before,
            locked,
            interference: suspended.interference,
            statement,
            under_way: None,
            sent: 0,
            written: 0,
        })
    }

    pub(super) async fn write(&mut self, connection: &Connection, records: EncodedRecords) -> Result<()> {
        self.written += records.count;
        let mut copy = match self.under_way.take() {
            Some(copy) => copy,
            None => {
                let begun = CopyUnderWay::begin(connection, &self.statement, self.target.form).await;
                begun.map_err(|error| failed(&self.doing(), &error))?
            }
        };
        if let Err(error) = copy.send(records).await {
            return Err(self.refused(copy.not_taken(error)).await);
        }
        let is_full = copy.is_full();
        self.under_way = Some(copy);
        if is_full { self.settle().await } else { Ok(()) }
    }

    /// Waits until the server has taken what was sent.
    async fn settle(&mut self) -> Result<()> {
        let Some(copy) = self.under_way.take() else { return Ok(()) };
        let (sent, taken) = match copy.end().await {
            Ok(counts) => counts,
            Err(refusal) => return Err(self.refused(refusal).await),
        };
        if taken != sent {
            return Err(self.adds_up_wrong(sent, taken));
        }
        self.sent += sent;
        Ok(())
    }

    fn doing(&self) -> String {
        format!("writing {}", self.target.entity.name())
    }

    /// Ends the target, and returns what became of its records and what the table must hold at the end, if that is to be checked.
    pub(super) async fn end(
        mut self,
        connection: &Connection,
        options: &SessionOptions,
    ) -> Result<(WriteCounts, Option<Expected>)> {
        self.settle().await?;
        if options.intent == SessionIntent::Compare {
            return Ok((compare::end(connection, options, &self).await?, None));
        }
        let what = self.doing();
        let mut counts = WriteCounts::default();
        match (&self.stage, self.replaces(options)) {
            (Some(stage), false) => counts = merge::into_rows(connection, options, &self, stage).await?,
            (Some(stage), true) => {
                merge::require_keys_once(connection, &self.target, stage).await?;
                counts.inserted = merge::insert_all(connection, &self.target, stage).await?;
                if counts.inserted != self.sent {
                    return Err(self.adds_up_wrong(self.sent, counts.inserted));
                }
            }
            (None, _) => {
                counts.inserted = self.sent;
                if !self.target.keeps_apart() {
                    let rows = self.target.mapping.table.rows();
                    merge::require_keys_once(connection, &self.target, &rows).await?;
                }
            }
        }
        let rows_after = self.rows_before.map(|before| before + counts.inserted);
        if let Some(previous) = &self.previous {
            counts = compare::with_previous(connection, &self.target, previous, &what).await?;
            if counts.records() != self.sent {
                return Err(self.adds_up_wrong(self.sent, counts.records()));
            }
        }
        let mut expected = None;
        let mut temporary = vec![self.previous];
        match self.stage {
            Some(stage) if self.interference == Interference::Possible => {
                expected = Some(Expected::new(self.target, rows_after, stage, self.locked));
            }
            stage => temporary.push(stage),
        }
        for table in temporary.into_iter().flatten() {
            connection.run(&what, &format!("DROP TABLE {table}")).await?;
        }
        Ok((counts, expected))
    }

    /// Whether what was written is compared with the stage at the end.
    pub(super) fn is_checked_at_the_end(&self) -> bool {
        self.interference == Interference::Possible
    }

    fn replaces(&self, options: &SessionOptions) -> bool {
        options.replace_existing || self.stage.is_none()
    }

    /// What the server said of a COPY, told of the record it is about.
    async fn refused(&self, NotTaken { error, records }: NotTaken) -> Error {
        let (name, table) = (self.target.entity.name(), &self.target.mapping.table.display_name);
        let Some(refusal) = error.as_db_error() else { return failed(&self.doing(), &error) };
        let place = refusal.where_().and_then(place_of);
        let Some(index) = place.as_ref().and_then(|(line, _)| line.checked_sub(1)) else {
            return failed(&self.doing(), &error);
        };
        let found = tokio::time::timeout(PATIENCE, records.key_text(&self.target.entity, index)).await;
        let Ok(Some(key)) = found else {
            return failed(
                &format!("{} (a record whose key could not be read from the archive again)", self.doing()),
                &error,
            );
        };
        if refusal.code().code() == "23505" && self.target.keeps_apart() && self.is_key(refusal.constraint())
        {
            return self.target.twice(&[key]);
        }
        let column = place.and_then(|(_, column)| column);
        let column = column.map_or_else(String::new, |column| format!(", column `{column}`"));
        let (kind, told) = kind_and_message(refusal);
        Error::new(kind, format!("{name} `{key}` was refused by table `{table}`{column}: {told}"))
    }

    /// Whether a unique constraint is that of the key. Those of partitions have other names, and are if there is no other.
    fn is_key(&self, constraint: Option<&str>) -> bool {
        let table = &self.target.mapping.table;
        let mut keys =
            table.unique_indexes_over(self.target.key_columns().map(|column| column.name.as_str()));
        let is_named = constraint.is_some_and(|constraint| keys.any(|index| index.name == constraint));
        is_named || (table.kind == TableKind::Partitioned && table.unique.len() == 1)
    }

    /// The error of a table that took another number of records than were written to it.
    pub(super) fn adds_up_wrong(&self, written: u64, taken: u64) -> Error {
        let (name, table) = (self.target.entity.name(), &self.target.mapping.table.display_name);
        Error::new(
            ErrorKind::Constraint,
            format!(
                "{written} records of {name} were written to table `{table}`, which took {taken}: {}a trigger, rule or policy adds, \
                 drops or redirects rows; {}restore as the owner of the table, whose triggers do not fire then, or have the trigger \
                 disabled",
                self.locked.other_cause(),
                self.locked.other_remedy(),
            ),
        )
    }
}

/// How the records of a target get into its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Route {
    /// They are sent to the table.
    Direct,
    /// They are sent to a temporary table first.
    Staged,
}

impl Route {
    /// The route of a target whose computed columns were found, into a table that is empty or not.
    pub(in super::super) fn of(
        target: &Target,
        options: &SessionOptions,
        is_empty: bool,
        interference: Interference,
    ) -> Self {
        let is_direct = options.intent == SessionIntent::Apply
            && (is_empty || options.replace_existing)
            // What triggers may change is compared with the stage at the end.
            && interference == Interference::Impossible
            && !target.has_conversions()
            && target.recomputed.is_empty()
            // A table that tells keys apart otherwise than by their text cannot name both records of one key while it is filled.
            && (target.has_exact_key() || !target.keeps_apart());
        if is_direct { Self::Direct } else { Self::Staged }
    }
}

/// Whether other writers are kept out of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Locked {
    Yes,
    No,
}

impl Locked {
    /// What else may be the cause of rows that a restore did not write so, as the beginning of a list of causes.
    pub(super) fn other_cause(self) -> &'static str {
        match self {
            Self::Yes => "",
            Self::No => "another session changed rows of the table while it was restored, or ",
        }
    }

    /// What helps against that, as the beginning of a list of remedies.
    pub(super) fn other_remedy(self) -> &'static str {
        match self {
            Self::Yes => "",
            Self::No => {
                "try again while no other session writes, grant the role UPDATE on the table, so that it can lock it, "
            }
        }
    }
}

/// Keeps other writers out, where the role may.
async fn lock(connection: &Connection, target: &Target, what: &str) -> Result<Locked> {
    let table = target.mapping.table.quoted();
    let may = format!(
        "SELECT (pg_catalog.has_table_privilege({oid}::oid, 'UPDATE') OR pg_catalog.has_table_privilege({oid}::oid, \
         'DELETE') OR pg_catalog.has_table_privilege({oid}::oid, 'TRUNCATE'))::int::int8",
        oid = target.mapping.table.oid
    );
    if connection.number(what, &may).await? == 0 {
        return Ok(Locked::No);
    }
    connection.run(what, &format!("LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")).await?;
    Ok(Locked::Yes)
}

/// Whether the table of a target has no rows.
pub(in super::super) async fn is_empty_now(
    connection: &Connection,
    target: &Target,
    what: &str,
) -> Result<bool> {
    let rows = target.mapping.table.rows();
    let any = format!("SELECT pg_catalog.count(*) FROM (SELECT FROM {rows} LIMIT 1) AS x");
    Ok(connection.number(what, &any).await? == 0)
}

/// Remembers the keys that are there and a hash of each row, and removes all rows.
async fn empty(
    connection: &Connection,
    options: &SessionOptions,
    suspended: &Suspended,
    target: &Target,
    number: usize,
    what: &str,
) -> Result<String> {
    let rows = target.mapping.table.rows();
    let keys = target.key_columns().map(|column| format!("t.{}", quoted(&column.name)));
    let selected: Vec<String> = keys.chain([compare::row_hash(target)]).collect();
    let previous = format!("pg_temp.{}", quoted(&format!("koan_previous_{number}")));
    let remember = format!(
        "CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {rows} AS t; ANALYZE {previous}",
        quoted(&format!("koan_previous_{number}")),
        selected.join(", ")
    );
    connection.run(what, &remember).await?;
    let may_truncate = format!(
        "SELECT pg_catalog.has_table_privilege({}::oid, 'TRUNCATE')::int::int8",
        target.mapping.table.oid
    );
    let truncates = options.level == RestoreLevel::Fast
        && target.mapping.table.kind == TableKind::Table
        && suspended.let_go_of(connection, &target.mapping.table).await?
        && connection.number(what, &may_truncate).await? == 1;
    let remove = if truncates { format!("TRUNCATE {rows}") } else { format!("DELETE FROM {rows}") };
    connection.run(what, &remove).await?;
    Ok(previous)
}

/// A table of this transaction that is like the target.
async fn stage(connection: &Connection, target: &Target, number: usize, what: &str) -> Result<String> {
    let name = quoted(&format!("koan_stage_{number}"));
    let column = |column: &super::target::TargetColumn| {
        let name = quoted(&column.name);
        if column.is_composite() { format!("NULL::pg_catalog.jsonb AS {name}") } else { name }
    };
    let recomputed = target.recomputed.iter().map(|recomputed| quoted(&recomputed.column));
    let columns: Vec<String> = target.columns.iter().map(column).chain(recomputed).collect();
    let make = format!(
        "CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA",
        columns.join(", "),
        target.mapping.table.rows(),
    );
    connection.run(what, &make).await?;
    for recomputed in &target.recomputed {
        connection.run(what, &recomputed.create_trigger(&format!("pg_temp.{name}"))).await?;
    }
    Ok(format!("pg_temp.{name}"))
}

/// The line and column that a COPY stopped at: `COPY track, line 3, column name: "…"`, in whatever language.
fn place_of(context: &str) -> Option<(usize, Option<String>)> {
    let first = context.lines().find(|line| line.starts_with("COPY "))?;
    // Behind the colon stands what the record holds.
    let place = first.split(": ").next()?;
    let mut parts = place.rsplit(", ");
    let last = parts.next()?.trim_end_matches(':');
    let number = |part: &str| part.split(' ').next_back()?.parse::<usize>().ok();
    match number(last) {
        Some(line) => Some((line, None)),
        None => Some((number(parts.next()?)?, last.split(' ').next_back().map(str::to_owned))),
    }
}

/// A record of the stage whose key is there already.
pub(super) async fn first_taken(
    connection: &Connection,
    loading: &Loading,
    stage: &str,
) -> Result<Option<String>> {
    let target = &loading.target;
    let (rows, same_key) = (target.mapping.table.rows(), target.same_key());
    let from = format!("{stage} AS s WHERE EXISTS (SELECT FROM {rows} AS t WHERE {same_key})");
    first_key(connection, target, &from).await
}

/// Whether a record that is there already fails the restore.
pub(super) fn fails(options: &SessionOptions) -> bool {
    options.conflict == ConflictMode::Fail && !options.replace_existing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_refusal_is_found_and_its_content_is_not() {
        assert_eq!(place_of("COPY a, line 3, column b: \"s3cret, line 9\""), Some((3, Some("b".to_owned()))));
        assert_eq!(place_of("COPY a, line 12"), Some((12, None)));
        assert_eq!(place_of("COPY a, line 12: \"1\ts3cret\""), Some((12, None)));
        assert_eq!(place_of("SQL statement"), None);
    }
}
