//! The dry run: compares the records of one target with what is there, and writes nothing.

use koan_backup_core::{ConflictMode, Record, Result, WriteCounts};
use rusqlite::{CachedStatement, params_from_iter};

use super::super::error::{failed, is_constraint};
use super::super::identifier::{quoted, quoted_list};
use super::super::snapshot::key_condition;
use super::apply::count;
use super::target::Target;
use super::transaction::Transaction;

/// A target that is being compared.
#[derive(Debug)]
pub(super) struct Comparing {
    target: Target,
    select: String,
    rows: u64,
    matched: u64,
    counts: WriteCounts,
}

/// Remembers keys in a temporary table, which is not in the database's file.
const SEEN: &str = "INSERT INTO temp.koan_seen VALUES";

impl Comparing {
    pub(super) fn begin(transaction: &Transaction, target: Target) -> Result<Self> {
        let columns = quoted_list(target.columns.iter().map(|column| column.name.as_str()));
        let table = quoted(&target.mapping.table.name);
        let condition = key_condition(target.key_names(), 1);
        let select = format!("SELECT {columns} FROM main.{table} WHERE {condition}");
        if transaction.options.replace_existing {
            let keys: Vec<String> = (0..target.key.len()).map(|index| format!("k{index}")).collect();
            let keys = keys.join(", ");
            transaction
                .connection
                .execute_batch(&format!("CREATE TEMP TABLE koan_seen ({keys}, UNIQUE ({keys}))"))
                .map_err(|error| failed(&transaction.path, "comparing", error))?;
        }
        let rows = count(transaction, &target)?;
        Ok(Self { target, select, rows, matched: 0, counts: WriteCounts::default() })
    }

    pub(super) fn write(&mut self, transaction: &Transaction, records: &[Record]) -> Result<()> {
        let what = format!("comparing {}", self.target.entity.name());
        let lost = |error| failed(&transaction.path, &what, error);
        let mut select = transaction.connection.prepare_cached(&self.select).map_err(lost)?;
        let mut seen = self.remembering(transaction)?;
        for record in records {
            let stored = self.target.fill(record)?;
            let key = || self.target.key.iter().map(|&column| &stored[column]);
            if let Some(seen) = &mut seen {
                match seen.execute(params_from_iter(key())) {
                    Err(error) if is_constraint(&error) => return Err(self.target.twice(record)),
                    executed => executed.map_err(lost)?,
                };
            }
            let mut rows = select.query(params_from_iter(key())).map_err(lost)?;
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
                ConflictMode::Fail if !transaction.options.replace_existing => {
                    return Err(self.target.taken(record));
                }
                ConflictMode::Keep if !transaction.options.replace_existing => self.counts.kept += 1,
                _ if equal => self.counts.unchanged += 1,
                _ => self.counts.updated += 1,
            }
        }
        Ok(())
    }

    pub(super) fn end(mut self, transaction: &Transaction) -> Result<WriteCounts> {
        if transaction.options.replace_existing {
            self.counts.deleted = self.rows.saturating_sub(self.matched);
            transaction
                .connection
                .execute_batch("DROP TABLE temp.koan_seen")
                .map_err(|error| failed(&transaction.path, "comparing", error))?;
        }
        Ok(self.counts)
    }

    fn remembering<'w>(&self, transaction: &'w Transaction) -> Result<Option<CachedStatement<'w>>> {
        if !transaction.options.replace_existing {
            return Ok(None);
        }
        let parameters: Vec<String> = (1..=self.target.key.len()).map(|index| format!("?{index}")).collect();
        let sql = format!("{SEEN} ({})", parameters.join(", "));
        let statement = transaction.connection.prepare_cached(&sql);
        statement.map(Some).map_err(|error| failed(&transaction.path, "comparing", error))
    }
}
