//! Writes the records of one target.

use koan_backup_core::{ConflictMode, Error, ErrorKind, Record, RestoreLevel, Result, WriteCounts};
use rusqlite::{OptionalExtension as _, Statement, params_from_iter};

use super::super::bind::Stored;
use super::super::error::{failed, is_constraint};
use super::super::identifier::quoted;
use super::indexes::{Keys, WaitingIndexes};
use super::keys::{SameKey, WrittenKeys};
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
    /// Whether the table was empty when the first record came.
    empty: bool,
    keys: WrittenKeys,
    same_key: SameKey,
    /// The key of the record before, as the unique index has it.
    last_key: Vec<Stored<'static>>,
    rows_before: u64,
    written: u64,
    /// Records that changed a row or added one.
    changed: u64,
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
            let keys = if empty { Keys::Unique } else { Keys::Any };
            indexes.help(transaction, &target, keys)?;
        }
        let is_guarded = has_unique_key || options.level != RestoreLevel::Safe;
        let statements = match empty && is_guarded {
            true => statements.insert_only(),
            false => statements,
        };
        let same_key = SameKey::new(&transaction.connection, &target).map_err(|error| {
            failed(&transaction.path, &format!("reading the indexes of {}", target.entity.name()), error)
        })?;
        Ok(Self {
            target,
            statements,
            indexes,
            previous,
            empty,
            keys: WrittenKeys::new(number),
            same_key,
            last_key: Vec::new(),
            rows_before,
            written: 0,
            changed: 0,
        })
    }

    /// The table that is written.
    pub(super) fn table(&self) -> &str {
        &self.target.mapping.table.name
    }

    pub(super) fn write(&mut self, transaction: &Transaction, records: &[Record]) -> Result<()> {
        let Statements { direct, may_keep, insert, update, exists } = self.statements.clone();
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
        let conflict = self.conflict(transaction);
        let brings = self.brings_along(transaction);
        let mut last = std::mem::take(&mut self.last_key);
        let mut last_stored: Option<Vec<Stored<'_>>> = None;
        for record in records {
            let stored = self.target.fill(record)?;
            // NULL is unlike any other NULL to a unique index, but the key of this one record.
            let has_null = self.target.key.iter().any(|&column| stored[column] == Stored::Null);
            let is_direct = direct.is_some() && !has_null;
            // Where nothing keeps keys apart they are remembered. To a unique index, equal keys follow on one another:
            // archives are in the order of their keys.
            if conflict != ConflictMode::Fail {
                let key = self.target.key.iter().map(|&column| &stored[column]);
                let is_twice = if brings || !is_direct {
                    !self.keys.remember(transaction, &self.target, &stored)?
                } else {
                    match &last_stored {
                        Some(last) => {
                            self.same_key.same(key, self.target.key.iter().map(|&column| &last[column]))
                        }
                        None => !last.is_empty() && self.same_key.same(key, last.iter()),
                    }
                };
                if is_twice {
                    return Err(self.twice(transaction, record));
                }
            } else if brings {
                self.keys.remember(transaction, &self.target, &stored)?;
            }
            let result = match &mut direct {
                Some(statement) if !has_null => match execute(statement, &stored) {
                    Ok(1) => Ok(Outcome::Written),
                    Ok(0) if may_keep => Ok(Outcome::Kept),
                    Ok(count) => Ok(Outcome::Unexpected(count)),
                    Err(error) => Err(error),
                },
                _ => by_key.write(&self.target, &stored, conflict),
            };
            match result {
                Ok(Outcome::Written) => {
                    self.written += 1;
                    self.changed += 1;
                }
                Ok(Outcome::Kept) => self.written += 1,
                Ok(Outcome::Unexpected(count)) => return Err(self.unexpected(record, count)),
                Ok(Outcome::Taken) => return Err(self.taken(transaction, record)),
                Ok(Outcome::Several) => return Err(self.several(record)),
                Err(error) if is_constraint(&error) => {
                    return Err(self.refused(transaction, record, &stored, &mut by_key, &error));
                }
                Err(error) => return Err(failed(&transaction.path, &what, error)),
            }
            last_stored = Some(stored);
        }
        if let Some(mut stored) = last_stored {
            let key = self.target.key.iter();
            last = key
                .map(|&column| std::mem::replace(&mut stored[column], Stored::Null).into_owned())
                .collect();
        }
        self.last_key = last;
        Ok(())
    }

    pub(super) fn end(self, transaction: &Transaction) -> Result<Applied> {
        let brings = self.brings_along(transaction);
        let Self { target, indexes, previous, empty, keys, rows_before, written, changed, .. } = self;
        let rows_after = count(transaction, &target)?;
        let adds_up = match transaction.options.conflict {
            _ if empty => rows_after == written,
            ConflictMode::Overwrite => (rows_before..=rows_before + written).contains(&rows_after),
            _ => rows_after == rows_before + changed,
        };
        if !adds_up {
            let (name, table) = (target.entity.name(), &target.mapping.table.name);
            return Err(Error::new(
                ErrorKind::Constraint,
                format!(
                    "{written} records of {name} were written to table `{table}`, which had {rows_before} rows and has \
                     {rows_after}: the table drops rows or merges them"
                ),
            ));
        }
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

    /// Whether it must be known later which rows these were, because some of them point nowhere.
    fn brings_along(&self, transaction: &Transaction) -> bool {
        !transaction.options.replace_existing && !self.target.physical.dangling_references.is_empty()
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
        if self.empty { self.twice(transaction, record) } else { self.target.taken(record) }
    }

    fn twice(&self, transaction: &Transaction, record: &Record) -> Error {
        if transaction.options.replace_existing {
            return self.target.twice(record);
        }
        let (name, key) = (self.target.entity.name(), self.target.key_text(record));
        let table = &self.target.mapping.table.name;
        Error::new(
            ErrorKind::Record,
            format!("{name} `{key}` is in the archive twice, by how table `{table}` compares its key"),
        )
    }

    fn unexpected(&self, record: &Record, count: usize) -> Error {
        let (name, key) = (self.target.entity.name(), self.target.key_text(record));
        let table = &self.target.mapping.table.name;
        Error::new(
            ErrorKind::Constraint,
            format!("{name} `{key}` changed {count} rows of table `{table}` instead of one"),
        )
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
    /// It is there now.
    Written,
    /// Another was there and stays.
    Kept,
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
            ConflictMode::Keep if self.is_taken(target, stored)? => return Ok(Outcome::Kept),
            ConflictMode::Keep => {}
            _ if self.is_taken(target, stored)? => return Ok(Outcome::Taken),
            _ => {}
        }
        Ok(match execute(&mut self.insert, stored)? {
            1 => Outcome::Written,
            count => Outcome::Unexpected(count),
        })
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
