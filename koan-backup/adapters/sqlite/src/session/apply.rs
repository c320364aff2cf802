//! Writes the records of one target.

use koan_backup_core::{
    ConflictMode, Error, ErrorKind, RestoreLevel, Result, entity::Record, provider::WriteCounts,
};
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension as _, Statement, params_from_iter};

use super::super::bind::Stored;
use super::super::error::{failed, is_constraint, is_refused_statement, is_unique_violation};
use super::super::index_check::{index_faults, table_rows};
use super::super::new_rows;
use super::deferred::{Deferred, refused};
use super::indexes::{Keys, WaitingIndexes};
use super::keys::WrittenKeys;
use super::previous::PreviousRows;
use super::statement::Statements;
use super::target::Target;
use super::transaction::Transaction;

/// A target that is being written.
#[derive(Debug)]
pub(super) struct Applying {
    target: Target,
    statements: Statements,
    indexes: WaitingIndexes,
    previous: Option<PreviousRows>,
    /// Whether the table was empty when the first record came.
    empty: bool,
    keys: WrittenKeys,
    deferred: Deferred,
    rows_before: u64,
    tally: Tally,
}

/// What the statements of a target did, as SQLite counted it.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    records: u64,
    /// Records that changed a row or added one.
    changed: u64,
    /// Records whose row stays, because it is kept or equal.
    left: u64,
}

/// What came of a target.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) counts: WriteCounts,
    /// Where the keys of the records are, if the archive brought references along that point nowhere.
    pub(super) keys: Option<(Vec<String>, String)>,
}

impl Applying {
    pub(super) fn begin(transaction: &Transaction, target: Target, number: usize) -> Result<Self> {
        let options = &transaction.options;
        let rows_before = count(transaction, &target)?;
        let previous = match options.replace_existing {
            true => Some(PreviousRows::take(transaction, &target, rows_before)?),
            false => {
                require_whole_indexes(transaction, &target, rows_before)?;
                None
            }
        };
        let empty = options.replace_existing || rows_before == 0;
        let mut indexes = WaitingIndexes::default();
        // Rebuilding an index costs more than keeping it up when a few records join many.
        if empty && options.level == RestoreLevel::Fast {
            indexes.drop_all(transaction, &target)?;
        }
        let statements =
            Statements::new(&transaction.connection, &target, options.conflict).map_err(|error| {
                failed(&transaction.path, &format!("writing {}", target.entity.name()), error)
            })?;
        let has_unique_key = statements.direct.is_some();
        if !has_unique_key && options.level != RestoreLevel::Safe {
            let keys = if empty { Keys::Unique } else { Keys::Any };
            indexes.help(transaction, &target, keys)?;
        }
        let is_guarded = has_unique_key || options.level != RestoreLevel::Safe;
        let statements = match empty && is_guarded {
            true => statements.insert_only(),
            // `ON CONFLICT` names one index, and another may find the row of a key as well.
            false if !target.equality.is_decided_by_the_columns() => statements.by_key(),
            false => statements,
        };
        Ok(Self {
            target,
            statements,
            indexes,
            previous,
            empty,
            keys: WrittenKeys::new(number),
            deferred: Deferred::new(number),
            rows_before,
            tally: Tally::default(),
        })
    }

    /// The table that is written.
    pub(super) fn table(&self) -> &str {
        &self.target.mapping.table.name
    }

    pub(super) fn write(&mut self, transaction: &Transaction, records: &[Record]) -> Result<()> {
        let Statements { direct, may_keep, insert, update, exists, compare } = self.statements.clone();
        let what = format!("writing {}", self.target.entity.name());
        let prepare = |sql: &str| {
            transaction
                .connection
                .prepare_cached(sql)
                .map_err(|error| failed(&transaction.path, &what, error))
        };
        let mut direct = direct.as_deref().map(prepare).transpose()?;
        let mut by_key = ByKey {
            insert: prepare(&insert)?,
            update: prepare(&update)?,
            exists: prepare(&exists)?,
            compare: prepare(&compare)?,
        };
        let conflict = self.conflict(transaction);
        let remembers = self.remembers(transaction);
        for record in records {
            let stored = self.target.fill(record)?;
            self.tally.records += 1;
            if remembers && !self.keys.remember(transaction, &self.target, &stored)? {
                return Err(self.target.twice(record));
            }
            // NULL is unlike any other NULL to a unique index, but the key of this one record.
            let has_null = self.target.key.iter().any(|&column| stored[column] == Stored::Null);
            let result = match &mut direct {
                Some(statement) if !has_null => match execute(statement, &stored) {
                    Ok(1) => Ok(Outcome::Written),
                    Ok(0) if may_keep => Ok(Outcome::Left),
                    Ok(count) => Ok(Outcome::Unexpected(count)),
                    // SQLite makes a whole new row before it looks for one that is there, which needs no default and may meet what a
                    // new row would not.
                    Err(error) if may_keep && is_of_one_row(&error) => {
                        by_key.write(&self.target, &stored, conflict)
                    }
                    Err(error) => Err(error),
                },
                _ => by_key.write(&self.target, &stored, conflict),
            };
            match result {
                Ok(Outcome::Written) => self.tally.changed += 1,
                Ok(Outcome::Left) => self.tally.left += 1,
                Ok(Outcome::Unexpected(count)) => return Err(self.unexpected(record, count)),
                Ok(Outcome::Taken) => return Err(self.taken(record)),
                Ok(Outcome::Several) => return Err(self.target.several(record)),
                // The row that has the value may be about to get another.
                Err(error) if conflict == ConflictMode::Overwrite && is_unique_violation(&error) => {
                    self.deferred.add(transaction, &self.target, &stored)?;
                }
                Err(error) if is_constraint(&error) => {
                    if conflict == ConflictMode::Fail
                        && by_key.is_taken(&self.target, &stored).unwrap_or(false)
                    {
                        return Err(self.taken(record));
                    }
                    let values: Vec<ValueRef<'_>> = stored.iter().map(Stored::as_ref).collect();
                    return Err(refused(transaction, &self.target, &values, &error));
                }
                Err(error) if is_refused_statement(&error) => {
                    return Err(self.raised(transaction, record, error));
                }
                Err(error) => return Err(failed(&transaction.path, &what, error)),
            }
        }
        Ok(())
    }

    pub(super) fn end(self, transaction: &Transaction) -> Result<Applied> {
        let brings = self.brings_along(transaction);
        let Self { target, indexes, previous, empty, keys, deferred, rows_before, mut tally, .. } = self;
        tally.changed += deferred.finish(transaction, &target)?;
        let rows_after = count(transaction, &target)?;
        let counts = match previous {
            Some(previous) => {
                let returned = previous.compare(transaction, &target)?;
                let mut counts = WriteCounts::default();
                counts.inserted = tally.changed.saturating_sub(returned.again);
                counts.updated = returned.again.saturating_sub(returned.equal);
                counts.unchanged = returned.equal;
                counts.deleted = returned.gone;
                counts
            }
            None => tally.counts(transaction.options.conflict, rows_before, rows_after),
        };
        let before = if empty { 0 } else { rows_before };
        let sum = counts.inserted + counts.updated + counts.unchanged + counts.kept;
        // Of rows that were written none may be missing, and no other may have come or gone.
        let is_whole = match transaction.options.replace_existing {
            true => rows_after == tally.records,
            false => rows_after == before + counts.inserted && tally.changed >= counts.inserted,
        };
        if sum != tally.records || !is_whole {
            let (name, table, records) = (target.entity.name(), &target.mapping.table.name, tally.records);
            return Err(Error::new(
                ErrorKind::Constraint,
                format!(
                    "{records} records of {name} were written to table `{table}`, which had {before} rows and has \
                     {rows_after}: the table drops rows or merges them"
                ),
            ));
        }
        indexes.put_back(transaction, &target)?;
        move_sequence_on(transaction, &target)?;
        let keys = if brings {
            let names: Vec<String> = target.key_names().map(str::to_owned).collect();
            keys.keep(transaction, &target)?.map(|table| (names, table))
        } else {
            keys.forget(transaction)?;
            None
        };
        Ok(Applied { counts, keys })
    }

    /// In a table that was empty a key can only be in the way because the archive has it twice.
    fn conflict(&self, transaction: &Transaction) -> ConflictMode {
        if self.empty { ConflictMode::Fail } else { transaction.options.conflict }
    }

    /// Whether the keys of the records are remembered: where no unique index of the table refuses a second record of one key.
    fn remembers(&self, transaction: &Transaction) -> bool {
        self.conflict(transaction) != ConflictMode::Fail
            || self.brings_along(transaction)
            || !self.target.equality.is_decided_by_the_columns()
    }

    /// Whether it must be known later which rows these were, because some of them point nowhere.
    fn brings_along(&self, transaction: &Transaction) -> bool {
        !transaction.options.replace_existing && !self.target.physical.dangling_references.is_empty()
    }

    fn taken(&self, record: &Record) -> Error {
        if self.empty { self.target.twice(record) } else { self.target.taken(record) }
    }

    /// The error of a record for which an expression of the table raised an error: a default, a constraint or a generated column.
    fn raised(&self, transaction: &Transaction, record: &Record, error: rusqlite::Error) -> Error {
        let record = format!("{} `{}`", self.target.entity.name(), self.target.key_text(record));
        let Transaction { connection, collations, .. } = transaction;
        let refusals = new_rows::refusals(connection, collations, &self.target.mapping);
        match refusals.unwrap_or_default().into_iter().next() {
            Some(refusal) => {
                Error::with_source(ErrorKind::Constraint, format!("{record} was refused: {refusal}"), error)
            }
            None => failed(&transaction.path, &format!("writing {record}"), error),
        }
    }

    fn unexpected(&self, record: &Record, count: usize) -> Error {
        let (name, key) = (self.target.entity.name(), self.target.key_text(record));
        let table = &self.target.mapping.table.name;
        Error::new(
            ErrorKind::Constraint,
            format!("{name} `{key}` changed {count} rows of table `{table}` instead of one"),
        )
    }
}

impl Tally {
    /// The counts by what SQLite reported: rows that came are those by which the table grew.
    fn counts(self, conflict: ConflictMode, rows_before: u64, rows_after: u64) -> WriteCounts {
        let mut counts = WriteCounts::default();
        counts.inserted = rows_after.saturating_sub(rows_before);
        counts.updated = self.changed.saturating_sub(counts.inserted);
        match conflict {
            ConflictMode::Keep => counts.kept = self.left,
            _ => counts.unchanged = self.left,
        }
        counts
    }
}

/// What became of one record.
enum Outcome {
    /// It is there now.
    Written,
    /// What was there stays: another that is kept, or one that is equal.
    Left,
    /// Another is there.
    Taken,
    /// Several are there.
    Several,
    /// So many rows changed, which is not one.
    Unexpected(usize),
}

/// Statements for a table that does not keep keys apart by itself.
struct ByKey<'c> {
    insert: rusqlite::CachedStatement<'c>,
    update: rusqlite::CachedStatement<'c>,
    exists: rusqlite::CachedStatement<'c>,
    compare: rusqlite::CachedStatement<'c>,
}

impl ByKey<'_> {
    fn write(
        &mut self,
        target: &Target,
        stored: &[Stored<'_>],
        conflict: ConflictMode,
    ) -> rusqlite::Result<Outcome> {
        match conflict {
            ConflictMode::Overwrite => match self.found(target, stored)?.as_slice() {
                [] => {}
                [Row::Equal] => return Ok(Outcome::Left),
                [Row::Differs] => {
                    bind_with_key(&mut self.update, target, stored)?;
                    return Ok(match self.update.raw_execute()? {
                        1 => Outcome::Written,
                        count => Outcome::Unexpected(count),
                    });
                }
                _ => return Ok(Outcome::Several),
            },
            ConflictMode::Keep if self.is_taken(target, stored)? => return Ok(Outcome::Left),
            ConflictMode::Keep => {}
            _ if self.is_taken(target, stored)? => return Ok(Outcome::Taken),
            _ => {}
        }
        Ok(match execute(&mut self.insert, stored)? {
            1 => Outcome::Written,
            count => Outcome::Unexpected(count),
        })
    }

    /// The rows of the key, two at most.
    fn found(&mut self, target: &Target, stored: &[Stored<'_>]) -> rusqlite::Result<Vec<Row>> {
        bind_with_key(&mut self.compare, target, stored)?;
        let mut rows = self.compare.raw_query();
        let mut found = Vec::with_capacity(2);
        while let Some(row) = rows.next()? {
            found.push(if row.get(0)? { Row::Differs } else { Row::Equal });
        }
        Ok(found)
    }

    fn is_taken(&mut self, target: &Target, stored: &[Stored<'_>]) -> rusqlite::Result<bool> {
        self.exists.exists(params_from_iter(target.key.iter().map(|&column| &stored[column])))
    }
}

/// A row that has the key of a record.
enum Row {
    Equal,
    Differs,
}

/// Whether what refused a row may be of no concern for one that is there already.
fn is_of_one_row(error: &rusqlite::Error) -> bool {
    is_refused_statement(error) || (is_constraint(error) && !is_unique_violation(error))
}

fn execute(statement: &mut Statement<'_>, stored: &[Stored<'_>]) -> rusqlite::Result<usize> {
    bind(statement, stored)?;
    statement.raw_execute()
}

/// Binds the columns of a record, and its key once more behind them.
fn bind_with_key(
    statement: &mut Statement<'_>,
    target: &Target,
    stored: &[Stored<'_>],
) -> rusqlite::Result<()> {
    bind(statement, stored)?;
    let mut key = target.key.iter().enumerate();
    key.try_for_each(|(index, &column)| {
        statement.raw_bind_parameter(stored.len() + index + 1, &stored[column])
    })
}

fn bind(statement: &mut Statement<'_>, stored: &[Stored<'_>]) -> rusqlite::Result<()> {
    let mut parameters = stored.iter().enumerate();
    parameters.try_for_each(|(index, value)| statement.raw_bind_parameter(index + 1, value))
}

/// How many rows the table of a target has.
fn count(transaction: &Transaction, target: &Target) -> Result<u64> {
    let table = &target.mapping.table.name;
    table_rows(&transaction.connection, table)
        .map_err(|error| failed(&transaction.path, &format!("counting the rows of table `{table}`"), error))
}

/// Refuses a table whose indexes do not have all its rows: a record would not find its row, and come in beside it.
fn require_whole_indexes(transaction: &Transaction, target: &Target, rows: u64) -> Result<()> {
    let table = &target.mapping.table.name;
    let faults =
        index_faults(&transaction.connection, &transaction.collations, table, rows).map_err(|error| {
            failed(&transaction.path, &format!("counting the indexes of table `{table}`"), error)
        })?;
    match faults.first() {
        None => Ok(()),
        Some(fault) => Err(Error::new(ErrorKind::Provider, fault.message(table))),
    }
}

/// SQLite moves AUTOINCREMENT on by itself as rows come in; what it had given out beyond them is in the archive.
fn move_sequence_on(transaction: &Transaction, target: &Target) -> Result<()> {
    let (Some(sequence), table) = (target.physical.sequence, &target.mapping.table.name) else {
        return Ok(());
    };
    let moved = || -> rusqlite::Result<()> {
        let made =
            "SELECT sql LIKE '%AUTOINCREMENT%' FROM main.sqlite_schema WHERE type = 'table' AND name = ?1";
        let counts: Option<bool> =
            transaction.connection.query_row(made, [table], |row| row.get(0)).optional()?;
        if counts != Some(true) {
            return Ok(());
        }
        let update = "UPDATE main.sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1";
        if transaction.connection.execute(update, (table, sequence))? == 0 {
            let insert = "INSERT INTO main.sqlite_sequence (name, seq) VALUES (?1, ?2)";
            transaction.connection.execute(insert, (table, sequence))?;
        }
        Ok(())
    };
    moved().map_err(|error| {
        failed(&transaction.path, &format!("moving the sequence of table `{table}` on"), error)
    })
}
