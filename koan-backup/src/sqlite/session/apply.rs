//! Writes the records of one target.

use koan_backup_core::{ConflictMode, Error, ErrorKind, Record, RestoreLevel, Result, WriteCounts};
use rusqlite::{OptionalExtension as _, Statement, params_from_iter};

use super::super::bind::Stored;
use super::super::error::{failed, is_constraint};
use super::super::identifier::quoted;
use super::indexes::{Keys, WaitingIndexes};
use super::previous::PreviousKeys;
use super::statement::Statements;
use super::target::Target;
use super::transaction::Transaction;

/// A target that is being written.
#[derive(Debug)]
pub(super) struct Applying {
    target: Target,
    statements: Statements,
    indexes: WaitingIndexes,
    previous: Option<PreviousKeys>,
    rows_before: u64,
    written: u64,
}

impl Applying {
    pub(super) fn begin(transaction: &Transaction, target: Target) -> Result<Self> {
        let options = &transaction.options;
        let rows_before = count(transaction, &target)?;
        let previous = match options.replace_existing {
            true => Some(PreviousKeys::take(transaction, &target, rows_before)?),
            false => None,
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
            let keys = if options.replace_existing { Keys::Unique } else { Keys::Any };
            indexes.help(transaction, &target, keys)?;
        }
        let is_guarded = has_unique_key || options.level != RestoreLevel::Safe;
        let statements = match options.replace_existing && is_guarded {
            true => statements.insert_only(),
            false => statements,
        };
        Ok(Self { target, statements, indexes, previous, rows_before, written: 0 })
    }

    pub(super) fn write(&mut self, transaction: &Transaction, records: &[Record]) -> Result<()> {
        let Statements { direct, insert, update, exists } = self.statements.clone();
        let what = format!("writing {}", self.target.entity.name());
        let prepare = |sql: &str| {
            transaction
                .connection
                .prepare_cached(sql)
                .map_err(|error| failed(&transaction.path, &what, error))
        };
        let mut direct = direct.as_deref().map(prepare).transpose()?;
        let mut by_key =
            ByKey { insert: prepare(&insert)?, update: prepare(&update)?, exists: prepare(&exists)? };
        for record in records {
            let stored = self.target.fill(record)?;
            // NULL is unlike any other NULL to a unique index, but the key of this one record.
            let has_null = self.target.key.iter().any(|&column| stored[column] == Stored::Null);
            let result = match &mut direct {
                Some(statement) if !has_null => execute(statement, &stored).map(|_| Outcome::Written),
                _ => by_key.write(&self.target, &stored, self.conflict(transaction)),
            };
            match result {
                Ok(Outcome::Written) => self.written += 1,
                Ok(Outcome::Taken) => return Err(self.taken(transaction, record)),
                Ok(Outcome::Several) => return Err(self.several(record)),
                Err(error) if is_constraint(&error) => {
                    return Err(self.refused(transaction, record, &stored, &mut by_key, &error));
                }
                Err(error) => return Err(failed(&transaction.path, &what, error)),
            }
        }
        Ok(())
    }

    pub(super) fn end(self, transaction: &Transaction) -> Result<WriteCounts> {
        let Self { target, indexes, previous, rows_before, written, .. } = self;
        let rows_after = count(transaction, &target)?;
        let mut counts = WriteCounts::default();
        match previous {
            Some(previous) => {
                let returned = previous.compare(transaction, &target)?;
                counts.updated = returned.again;
                counts.inserted = written.saturating_sub(returned.again);
                counts.deleted = returned.gone;
            }
            None => {
                counts.inserted = rows_after.saturating_sub(rows_before);
                let matched = written.saturating_sub(counts.inserted);
                match transaction.options.conflict {
                    ConflictMode::Keep => counts.kept = matched,
                    _ => counts.updated = matched,
                }
            }
        }
        indexes.put_back(transaction, &target)?;
        move_sequence_on(transaction, &target)?;
        Ok(counts)
    }

    /// With `replace_existing` a key can only be in the way because the archive has it twice.
    fn conflict(&self, transaction: &Transaction) -> ConflictMode {
        if self.previous.is_some() { ConflictMode::Fail } else { transaction.options.conflict }
    }

    fn refused(
        &self,
        transaction: &Transaction,
        record: &Record,
        stored: &[Stored<'_>],
        by_key: &mut ByKey<'_>,
        error: &rusqlite::Error,
    ) -> Error {
        if self.conflict(transaction) == ConflictMode::Fail
            && by_key.is_taken(&self.target, stored).unwrap_or(false)
        {
            return self.taken(transaction, record);
        }
        let (name, key) = (self.target.entity.name(), self.target.key_text(record));
        let table = &self.target.mapping.table.name;
        Error::new(ErrorKind::Constraint, format!("{name} `{key}` was refused by table `{table}`: {error}"))
    }

    fn taken(&self, transaction: &Transaction, record: &Record) -> Error {
        if transaction.options.replace_existing {
            self.target.twice(record)
        } else {
            self.target.taken(record)
        }
    }

    fn several(&self, record: &Record) -> Error {
        let (name, key) = (self.target.entity.name(), self.target.key_text(record));
        let table = &self.target.mapping.table.name;
        Error::new(
            ErrorKind::Constraint,
            format!(
                "{name} `{key}` is the key of several rows of table `{table}`; only one of them can be meant"
            ),
        )
    }
}

/// What became of one record.
enum Outcome {
    /// It is there now, or another was and stays.
    Written,
    /// Another is there.
    Taken,
    /// Several are there.
    Several,
}

/// Statements for a table that does not keep keys apart by itself.
struct ByKey<'c> {
    insert: rusqlite::CachedStatement<'c>,
    update: rusqlite::CachedStatement<'c>,
    exists: rusqlite::CachedStatement<'c>,
}

impl ByKey<'_> {
    fn write(
        &mut self,
        target: &Target,
        stored: &[Stored<'_>],
        conflict: ConflictMode,
    ) -> rusqlite::Result<Outcome> {
        match conflict {
            ConflictMode::Overwrite => match execute(&mut self.update, stored)? {
                0 => {}
                1 => return Ok(Outcome::Written),
                _ => return Ok(Outcome::Several),
            },
            ConflictMode::Keep if self.is_taken(target, stored)? => return Ok(Outcome::Written),
            ConflictMode::Keep => {}
            _ if self.is_taken(target, stored)? => return Ok(Outcome::Taken),
            _ => {}
        }
        execute(&mut self.insert, stored).map(|_| Outcome::Written)
    }

    fn is_taken(&mut self, target: &Target, stored: &[Stored<'_>]) -> rusqlite::Result<bool> {
        self.exists.exists(params_from_iter(target.key.iter().map(|&column| &stored[column])))
    }
}

fn execute(statement: &mut Statement<'_>, stored: &[Stored<'_>]) -> rusqlite::Result<usize> {
    for (index, value) in stored.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, value)?;
    }
    statement.raw_execute()
}

/// How many rows the table of a target has.
pub(super) fn count(transaction: &Transaction, target: &Target) -> Result<u64> {
    let table = &target.mapping.table.name;
    let query = format!("SELECT count(*) FROM main.{}", quoted(table));
    let count = transaction.connection.query_row(&query, [], |row| row.get::<_, i64>(0));
    let count = count.map_err(|error| {
        failed(&transaction.path, &format!("counting the rows of table `{table}`"), error)
    })?;
    Ok(u64::try_from(count).unwrap_or(0))
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
