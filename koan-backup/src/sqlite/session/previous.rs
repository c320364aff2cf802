//! The keys that were there before all rows went.

use koan_backup_core::Result;

use super::super::error::failed;
use super::super::identifier::{quoted, quoted_list};
use super::target::Target;
use super::transaction::Transaction;

/// Keys of rows that are gone, kept in a temporary table until it is known which of them came back.
#[derive(Debug)]
pub(super) struct PreviousKeys {
    count: u64,
}

/// How many of the rows of before are there again, and how many are not.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) again: u64,
    pub(super) gone: u64,
}

impl PreviousKeys {
    /// Empties the table and keeps the keys of its rows.
    pub(super) fn take(transaction: &Transaction, target: &Target, count: u64) -> Result<Self> {
        let table = quoted(&target.mapping.table.name);
        if count > 0 {
            let keys: Vec<String> = target
                .key_names()
                .enumerate()
                .map(|(index, name)| format!("{} AS k{index}", quoted(name)))
                .collect();
            let names = quoted_list(names(target).iter().map(String::as_str));
            let sql = format!(
                "CREATE TEMP TABLE koan_previous AS SELECT {} FROM main.{table}; \
                 CREATE INDEX temp.koan_previous_key ON koan_previous ({names}); \
                 DELETE FROM main.{table};",
                keys.join(", ")
            );
            transaction.connection.execute_batch(&sql).map_err(|error| {
                failed(&transaction.path, &format!("emptying table `{}`", target.mapping.table.name), error)
            })?;
        }
        Ok(Self { count })
    }

    /// Compares with what is there now.
    pub(super) fn compare(self, transaction: &Transaction, target: &Target) -> Result<Returned> {
        if self.count == 0 {
            return Ok(Returned { again: 0, gone: 0 });
        }
        let terms: Vec<String> = target
            .key_names()
            .zip(names(target))
            .map(|(key, name)| format!("new.{} COLLATE BINARY IS old.{name}", quoted(key)))
            .collect();
        let query = format!(
            "SELECT count(*) FROM main.{} AS new WHERE EXISTS (SELECT 1 FROM temp.koan_previous AS old WHERE {})",
            quoted(&target.mapping.table.name),
            terms.join(" AND ")
        );
        let counted =
            transaction.connection.query_row(&query, [], |row| row.get::<_, i64>(0)).and_then(|count| {
                transaction.connection.execute_batch("DROP TABLE temp.koan_previous")?;
                Ok(u64::try_from(count).unwrap_or(0))
            });
        let again = counted.map_err(|error| {
            failed(
                &transaction.path,
                &format!("counting the rows of table `{}`", target.mapping.table.name),
                error,
            )
        })?;
        Ok(Returned { again, gone: self.count.saturating_sub(again) })
    }
}

fn names(target: &Target) -> Vec<String> {
    (0..target.key.len()).map(|index| format!("k{index}")).collect()
}
