//! The dry run: compares the records of one target with what is there, and writes nothing.

use koan_backup_core::{ConflictMode, Record, Result, WriteCounts};
use rusqlite::params_from_iter;

use super::super::error::failed;
use super::super::identifier::{quoted, quoted_list};
use super::apply::{count, require_whole_indexes};
use super::keys::WrittenKeys;
use super::target::Target;
use super::transaction::Transaction;

/// A target that is being compared.
#[derive(Debug)]
pub(super) struct Comparing {
    target: Target,
    select: String,
    rows: u64,
    matched: u64,
    /// In a temporary table, which is not in the database's file.
    keys: WrittenKeys,
    counts: WriteCounts,
}

impl Comparing {
    pub(super) fn begin(transaction: &Transaction, target: Target, number: usize) -> Result<Self> {
        let columns = quoted_list(target.columns.iter().map(|column| column.name.as_str()));
        let table = quoted(&target.mapping.table.name);
        let condition = target.key_condition(1);
        let select = format!("SELECT {columns} FROM main.{table} WHERE {condition} LIMIT 2");
        let rows = count(transaction, &target)?;
        if !transaction.options.replace_existing {
            require_whole_indexes(transaction, &target, rows)?;
        }
        let keys = WrittenKeys::new(number);
        Ok(Self { target, select, rows, matched: 0, keys, counts: WriteCounts::default() })
    }

    pub(super) fn write(&mut self, transaction: &Transaction, records: &[Record]) -> Result<()> {
        let what = format!("comparing {}", self.target.entity.name());
        let lost = |error| failed(&transaction.path, &what, error);
        let mut select = transaction.connection.prepare_cached(&self.select).map_err(lost)?;
        let replaces = transaction.options.replace_existing;
        for record in records {
            let stored = self.target.fill(record)?;
            if !self.keys.remember(transaction, &self.target, &stored)? {
                return Err(self.target.twice(record));
            }
            let key = self.target.key.iter().map(|&column| &stored[column]);
            let mut rows = select.query(params_from_iter(key)).map_err(lost)?;
            let Some(row) = rows.next().map_err(lost)? else {
                self.counts.inserted += 1;
                continue;
            };
            self.matched += 1;
            let mut equal = true;
            for (index, value) in stored.iter().enumerate() {
                equal &= value.equals(row.get_ref(index).map_err(lost)?);
            }
            match transaction.options.conflict {
                ConflictMode::Fail if !replaces => return Err(self.target.taken(record)),
                ConflictMode::Keep if !replaces => self.counts.kept += 1,
                _ if !replaces && rows.next().map_err(lost)?.is_some() => {
                    return Err(self.target.several(record));
                }
                _ if equal => self.counts.unchanged += 1,
                _ => self.counts.updated += 1,
            }
        }
        Ok(())
    }

    pub(super) fn end(mut self, transaction: &Transaction) -> Result<WriteCounts> {
        if transaction.options.replace_existing {
            self.counts.deleted = self.rows.saturating_sub(self.matched);
        }
        self.keys.forget(transaction)?;
        Ok(self.counts)
    }
}
