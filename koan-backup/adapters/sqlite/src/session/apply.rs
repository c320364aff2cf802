//! Writes the records of one target, on the thread of the connection.

use koan_backup_core::{
    ConflictMode, Error, ErrorKind, RestoreLevel, Result,
    entity::Record,
    provider::{SuspendedObject, WriteCounts},
};
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension as _, Statement, params_from_iter};

use super::super::bind::Stored;
use super::super::error::{failed, is_constraint, is_refused_statement, is_unique_violation};
use super::super::index_check::{index_faults, table_rows};
use super::super::new_rows;
use super::deferred::{Deferred, constraint_error};
use super::indexes::{KeyIndex, SuspendedIndexes};
use super::keys::WrittenKeys;
use super::previous::PreviousRows;
use super::statement::Statements;
use super::target::Target;
use super::transaction::Transaction;

/// The state of one target while its records are written.
#[derive(Debug)]
pub(super) struct TargetState {
    target: Target,
    statements: Statements,
    indexes: SuspendedIndexes,
    previous: Option<PreviousRows>,
    /// Whether the table had no rows before the first record was written.
    was_empty: bool,
    /// Whether records are written with plain INSERT statements, which refuse a duplicate key.
    is_insert_only: bool,
    keys: WrittenKeys,
    deferred: Deferred,
    rows_before: u64,
    tally: Tally,
}

/// The numbers of written records, by the effect that SQLite reported.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// The number of all records.
    records: u64,
    /// The number of records that changed or added a row.
    changed: u64,
    /// The number of records whose row was left unchanged, because the conflict mode keeps rows or because
    /// the row equals the record.
    unchanged: u64,
}

/// The result of a finished target.
#[derive(Debug)]
pub(super) struct TargetResult {
    pub(super) counts: WriteCounts,
    /// The names of the key columns and the temporary table with the keys of the records, if the archive
    /// contains dangling references.
    pub(super) keys: Option<(Vec<String>, String)>,
    /// The indexes that were dropped and rebuilt.
    pub(super) suspended: Vec<SuspendedObject>,
}

impl TargetState {
    /// Prepares the table of a target. `number` is the number of the target, counted from 1.
    pub(super) fn begin(transaction: &Transaction, target: Target, number: usize) -> Result<Self> {
        let options = &transaction.options;
        let rows_before = count(transaction, &target)?;
        let previous = match options.replace_existing {
            true => Some(PreviousRows::record_and_delete(transaction, &target, rows_before)?),
            false => {
                require_intact_indexes(transaction, &target, rows_before)?;
                None
            }
        };
        let was_empty = options.replace_existing || rows_before == 0;
        let mut indexes = SuspendedIndexes::default();
        indexes.drop_all(transaction, &target, rows_before)?;
        let statements =
            Statements::new(&transaction.connection, &target, options.conflict).map_err(|error| {
                failed(&transaction.path, &format!("writing {}", target.entity.name()), error)
            })?;
        let has_unique_key = statements.direct.is_some();
        let may_index_key = options.level != RestoreLevel::Safe && options.may_use_bulk_mode();
        if !has_unique_key && may_index_key {
            let key_index = if was_empty { KeyIndex::Unique } else { KeyIndex::NotUnique };
            indexes.index_key(transaction, &target, key_index)?;
        }
        let is_insert_only = was_empty && options.may_use_bulk_mode();
        let has_key_index = has_unique_key || may_index_key;
        let statements = match is_insert_only && has_key_index {
            true => statements.insert_only(),
            // `ON CONFLICT` applies to one index only, but a row can conflict in another index as well.
            false if !target.equality.is_decided_by_the_columns() => statements.by_key(),
            false => statements,
        };
        Ok(Self {
            target,
            statements,
            indexes,
            previous,
            was_empty,
            is_insert_only,
            keys: WrittenKeys::new(number),
            deferred: Deferred::new(number),
            rows_before,
            tally: Tally::default(),
        })
    }

    /// Returns the name of the table.
    pub(super) fn table(&self) -> &str {
        &self.target.mapping.table.name
    }

    /// Writes a batch of records.
    pub(super) fn write(&mut self, transaction: &Transaction, records: &[Record]) -> Result<()> {
        let Statements { direct, may_leave_unchanged, insert, update, exists, compare } =
            self.statements.clone();
        let operation = format!("writing {}", self.target.entity.name());
        let prepare = |sql: &str| {
            transaction
                .connection
                .prepare_cached(sql)
                .map_err(|error| failed(&transaction.path, &operation, error))
        };
        let mut direct = direct.as_deref().map(prepare).transpose()?;
        let mut by_key = ByKey {
            insert: prepare(&insert)?,
            update: prepare(&update)?,
            exists: prepare(&exists)?,
            compare: prepare(&compare)?,
        };
        let conflict = self.conflict(transaction);
        let records_keys = self.records_keys(transaction);
        for record in records {
            let stored = self.target.stored_values(record)?;
            self.tally.records += 1;
            if records_keys && !self.keys.record(transaction, &self.target, &stored)? {
                return Err(self.target.duplicate_key_error(record));
            }
            // A unique index never considers two NULLs to be equal, but a key with NULL identifies a record.
            // So the row of such a key is searched before the record is written.
            let has_null = self.target.key.iter().any(|&column| stored[column] == Stored::Null);
            let result = match &mut direct {
                Some(statement) if !has_null => match execute(statement, &stored) {
                    Ok(1) => Ok(Outcome::Written),
                    Ok(0) if may_leave_unchanged => Ok(Outcome::Unchanged),
                    Ok(count) => Ok(Outcome::Unexpected(count)),
                    // SQLite evaluates the complete new row before it looks for an existing row. The
                    // evaluation can fail although the row of the record exists and no new row is needed.
                    Err(error) if may_leave_unchanged && concerns_new_row(&error) => {
                        by_key.write(&self.target, &stored, conflict)
                    }
                    Err(error) => Err(error),
                },
                _ => by_key.write(&self.target, &stored, conflict),
            };
            match result {
                Ok(Outcome::Written) => self.tally.changed += 1,
                Ok(Outcome::Unchanged) => self.tally.unchanged += 1,
                Ok(Outcome::Unexpected(count)) => return Err(self.unexpected_count_error(record, count)),
                Ok(Outcome::Exists) => return Err(self.exists_error(record)),
                Ok(Outcome::Ambiguous) => return Err(self.target.ambiguous_key_error(record)),
                // A later record may overwrite the conflicting row, so the record is deferred.
                Err(error) if conflict == ConflictMode::Overwrite && is_unique_violation(&error) => {
                    self.deferred.add(transaction, &self.target, &stored)?;
                }
                Err(error) if is_constraint(&error) => {
                    if conflict == ConflictMode::Fail && by_key.exists(&self.target, &stored).unwrap_or(false)
                    {
                        return Err(self.exists_error(record));
                    }
                    let values: Vec<ValueRef<'_>> = stored.iter().map(Stored::as_ref).collect();
                    return Err(constraint_error(transaction, &self.target, &values, &error));
                }
                Err(error) if is_refused_statement(&error) => {
                    return Err(self.expression_error(transaction, record, error));
                }
                Err(error) => return Err(failed(&transaction.path, &operation, error)),
            }
        }
        Ok(())
    }

    /// Writes the deferred records, checks the counts, and puts the indexes back.
    pub(super) fn finish(self, transaction: &Transaction) -> Result<TargetResult> {
        let needs_keys = self.restores_dangling_references(transaction);
        let Self { target, indexes, previous, was_empty, keys, deferred, rows_before, mut tally, .. } = self;
        tally.changed += deferred.finish(transaction, &target)?;
        let rows_after = count(transaction, &target)?;
        let counts = match previous {
            Some(previous) => {
                let comparison = previous.compare(transaction, &target)?;
                let mut counts = WriteCounts::default();
                counts.inserted = tally.changed.saturating_sub(comparison.existing);
                counts.updated = comparison.existing.saturating_sub(comparison.equal);
                counts.unchanged = comparison.equal;
                counts.deleted = comparison.deleted;
                counts
            }
            None => tally.counts(transaction.options.conflict, rows_before, rows_after),
        };
        let before = if was_empty { 0 } else { rows_before };
        let sum = counts.inserted + counts.updated + counts.unchanged + counts.kept;
        // Every written row must still exist, and no other row may have been added or deleted.
        let is_balanced = match transaction.options.replace_existing {
            true => rows_after == tally.records,
            false => rows_after == before + counts.inserted && tally.changed >= counts.inserted,
        };
        if sum != tally.records || !is_balanced {
            let (name, table, records) = (target.entity.name(), &target.mapping.table.name, tally.records);
            return Err(Error::new(
                ErrorKind::Constraint,
                format!(
                    "{records} records of {name} were written to table `{table}`, which had {before} rows \
                     before and has {rows_after} rows after, so the table drops rows or merges them; check \
                     its constraints and its key"
                ),
            ));
        }
        let suspended = indexes.put_back(transaction, &target)?;
        advance_sequence(transaction, &target)?;
        let keys = if needs_keys {
            let names: Vec<String> = target.key_names().map(str::to_owned).collect();
            keys.into_table(transaction, &target)?.map(|table| (names, table))
        } else {
            keys.discard(transaction)?;
            None
        };
        Ok(TargetResult { counts, keys, suspended })
    }

    /// Returns the conflict mode of the statements. In a table that was empty, a key can conflict only with
    /// the key of an earlier record of the archive.
    fn conflict(&self, transaction: &Transaction) -> ConflictMode {
        if self.is_insert_only { ConflictMode::Fail } else { transaction.options.conflict }
    }

    /// Returns whether the keys of the records are recorded, because no unique index refuses a duplicate key
    /// in the archive, or because the keys are needed later.
    fn records_keys(&self, transaction: &Transaction) -> bool {
        self.conflict(transaction) != ConflictMode::Fail
            || self.restores_dangling_references(transaction)
            || !self.target.equality.is_decided_by_the_columns()
    }

    /// Returns whether some of the records contain dangling references and the table keeps other rows. The
    /// keys of the records are then needed to check the references.
    fn restores_dangling_references(&self, transaction: &Transaction) -> bool {
        !transaction.options.replace_existing && !self.target.physical.dangling_references.is_empty()
    }

    /// Returns the error for a record whose key exists: in the archive if the table was empty, else in the
    /// table.
    fn exists_error(&self, record: &Record) -> Error {
        if self.was_empty {
            self.target.duplicate_key_error(record)
        } else {
            self.target.already_exists_error(record)
        }
    }

    /// Returns the error for a record for which an expression of the table raised an error. The expression is
    /// a default, a constraint or a generated column.
    fn expression_error(&self, transaction: &Transaction, record: &Record, error: rusqlite::Error) -> Error {
        let record = format!("{} `{}`", self.target.entity.name(), self.target.key_text(record));
        let Transaction { connection, collations, .. } = transaction;
        let refusals = new_rows::refusals(connection, collations, &self.target.mapping);
        match refusals.unwrap_or_default().into_iter().next() {
            Some(refusal) => Error::with_source(
                ErrorKind::Constraint,
                format!("{record} cannot be written: {refusal}"),
                error,
            ),
            None => failed(&transaction.path, &format!("writing {record}"), error),
        }
    }

    /// Returns the error for a record whose statement did not change exactly one row.
    fn unexpected_count_error(&self, record: &Record, count: usize) -> Error {
        let (name, key) = (self.target.entity.name(), self.target.key_text(record));
        let table = &self.target.mapping.table.name;
        Error::new(
            ErrorKind::Constraint,
            format!(
                "writing {name} `{key}` changed {count} rows of table `{table}` instead of one row; check the \
                 constraints of the table and whether its key is unique"
            ),
        )
    }
}

impl Tally {
    /// Returns the counts of a target. The number of inserted rows is the number by which the table grew.
    fn counts(self, conflict: ConflictMode, rows_before: u64, rows_after: u64) -> WriteCounts {
        let mut counts = WriteCounts::default();
        counts.inserted = rows_after.saturating_sub(rows_before);
        counts.updated = self.changed.saturating_sub(counts.inserted);
        match conflict {
            ConflictMode::Keep => counts.kept = self.unchanged,
            _ => counts.unchanged = self.unchanged,
        }
        counts
    }
}

/// The result of writing one record.
enum Outcome {
    /// The record was written.
    Written,
    /// The existing row was left unchanged, because the conflict mode keeps rows or because the row equals
    /// the record.
    Unchanged,
    /// A row with the key of the record already exists.
    Exists,
    /// Several rows have the key of the record.
    Ambiguous,
    /// The statement changed this number of rows instead of one row.
    Unexpected(usize),
}

/// The prepared statements that find the row of a key before a record is written.
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
            ConflictMode::Overwrite => match self.compare_rows(target, stored)?.as_slice() {
                [] => {}
                [ExistingRow::Equal] => return Ok(Outcome::Unchanged),
                [ExistingRow::Different] => {
                    bind_with_key(&mut self.update, target, stored)?;
                    return Ok(match self.update.raw_execute()? {
                        1 => Outcome::Written,
                        count => Outcome::Unexpected(count),
                    });
                }
                _ => return Ok(Outcome::Ambiguous),
            },
            ConflictMode::Keep if self.exists(target, stored)? => return Ok(Outcome::Unchanged),
            ConflictMode::Keep => {}
            _ if self.exists(target, stored)? => return Ok(Outcome::Exists),
            _ => {}
        }
        Ok(match execute(&mut self.insert, stored)? {
            1 => Outcome::Written,
            count => Outcome::Unexpected(count),
        })
    }

    /// Compares a record with the rows that have its key. Returns at most two rows.
    fn compare_rows(&mut self, target: &Target, stored: &[Stored<'_>]) -> rusqlite::Result<Vec<ExistingRow>> {
        bind_with_key(&mut self.compare, target, stored)?;
        let mut rows = self.compare.raw_query();
        let mut found = Vec::with_capacity(2);
        while let Some(row) = rows.next()? {
            found.push(if row.get(0)? { ExistingRow::Different } else { ExistingRow::Equal });
        }
        Ok(found)
    }

    fn exists(&mut self, target: &Target, stored: &[Stored<'_>]) -> rusqlite::Result<bool> {
        self.exists.exists(params_from_iter(target.key.iter().map(|&column| &stored[column])))
    }
}

/// An existing row with the key of a record, compared with the record.
enum ExistingRow {
    Equal,
    Different,
}

/// Returns whether an error concerns only the values of the new row. Such an error is irrelevant if the row
/// of the record already exists.
fn concerns_new_row(error: &rusqlite::Error) -> bool {
    is_refused_statement(error) || (is_constraint(error) && !is_unique_violation(error))
}

fn execute(statement: &mut Statement<'_>, stored: &[Stored<'_>]) -> rusqlite::Result<usize> {
    bind(statement, stored)?;
    statement.raw_execute()
}

/// Binds the columns of a record, and then its key.
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

/// Returns the number of rows of the table of a target.
fn count(transaction: &Transaction, target: &Target) -> Result<u64> {
    let table = &target.mapping.table.name;
    table_rows(&transaction.connection, table)
        .map_err(|error| failed(&transaction.path, &format!("counting the rows of table `{table}`"), error))
}

/// Refuses a table with a damaged index. With such an index, a record might not find its row and would be
/// inserted as a second row.
fn require_intact_indexes(transaction: &Transaction, target: &Target, rows: u64) -> Result<()> {
    let table = &target.mapping.table.name;
    let faults =
        index_faults(&transaction.connection, &transaction.collations, table, rows).map_err(|error| {
            failed(&transaction.path, &format!("checking the indexes of table `{table}`"), error)
        })?;
    match faults.first() {
        None => Ok(()),
        Some(fault) => Err(Error::new(ErrorKind::Provider, fault.message(table))),
    }
}

/// Advances the AUTOINCREMENT sequence of a table to the value in the archive. SQLite itself advances the
/// sequence only to the largest rowid.
fn advance_sequence(transaction: &Transaction, target: &Target) -> Result<()> {
    let (Some(sequence), table) = (target.physical.sequence, &target.mapping.table.name) else {
        return Ok(());
    };
    let advance = || -> rusqlite::Result<()> {
        let query =
            "SELECT sql LIKE '%AUTOINCREMENT%' FROM main.sqlite_schema WHERE type = 'table' AND name = ?1";
        let has_sequence: Option<bool> =
            transaction.connection.query_row(query, [table], |row| row.get(0)).optional()?;
        if has_sequence != Some(true) {
            return Ok(());
        }
        let update = "UPDATE main.sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1";
        if transaction.connection.execute(update, (table, sequence))? == 0 {
            let insert = "INSERT INTO main.sqlite_sequence (name, seq) VALUES (?1, ?2)";
            transaction.connection.execute(insert, (table, sequence))?;
        }
        Ok(())
    };
    advance().map_err(|error| {
        failed(&transaction.path, &format!("advancing the sequence of table `{table}`"), error)
    })
}
