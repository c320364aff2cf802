//! The SQL statements that write one record, depending on whether the table has a unique key.

use koan_backup_core::ConflictMode;
use rusqlite::Connection;

use super::super::error::is_refused_statement;
use super::target::Target;
use koan_backup_sql::identifier::{quoted, quoted_list};

/// The SQL statements that write the records of a target.
#[derive(Clone, Debug)]
pub(super) struct Statements {
    /// A single statement that writes a record. It is used if a unique index is over the key of the table, or
    /// if the table is empty.
    pub(super) direct: Option<String>,
    /// Whether the single statement may leave an existing row unchanged, because the conflict mode keeps rows
    /// or because the row equals the record.
    pub(super) may_leave_unchanged: bool,
    pub(super) insert: String,
    pub(super) update: String,
    pub(super) exists: String,
    /// Finds the row of a key and returns whether the row differs from the record.
    pub(super) compare: String,
}

impl Statements {
    pub(super) fn new(
        connection: &Connection,
        target: &Target,
        conflict: ConflictMode,
    ) -> rusqlite::Result<Self> {
        let table = quoted(&target.mapping.table.name);
        let names: Vec<&str> = target.columns.iter().map(|column| column.name.as_str()).collect();
        let columns = quoted_list(names.iter().copied());
        let parameters: Vec<String> = (1..=names.len()).map(|index| format!("?{index}")).collect();
        // `OR ABORT` overrides the conflict clause of a constraint, which could drop records or delete rows
        // without an error.
        let insert = format!(
            "INSERT OR ABORT INTO main.{table} AS {ROW} ({columns}) VALUES ({})",
            parameters.join(", ")
        );
        let is_key = |column: &usize| target.key.contains(column);
        let assignments = |columns: &mut dyn Iterator<Item = usize>, value: &dyn Fn(usize) -> String| {
            columns
                .map(|column| format!("{} = {}", quoted(names[column]), value(column)))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let all_columns = assignments(&mut (0..names.len()), &|column| format!("?{}", column + 1));
        // The values of the key are bound a second time, after the values of all columns.
        let key = target.key_condition(names.len() + 1);
        let update = format!("UPDATE OR ABORT main.{table} SET {all_columns} WHERE {key}");
        let exists = format!("SELECT 1 FROM main.{table} WHERE {}", target.key_condition(1));
        // If the key is the rowid, the key of a matching row is the same number and need not be written. Any
        // other key of a matching row can be equal to the key of the record and be stored in another form.
        let skips_key = target
            .mapping
            .table
            .rowid_alias()
            .is_some_and(|alias| target.key_names().eq([alias.name.as_str()]));
        let mut updated = (0..names.len()).filter(|column| !(skips_key && is_key(column)));
        let excluded = assignments(&mut updated, &|column| format!("excluded.{}", quoted(names[column])));
        let differs = |value: &dyn Fn(usize) -> String| {
            let terms: Vec<String> =
                names.iter().enumerate().map(|(column, name)| differs(name, &value(column))).collect();
            any_of(&terms)
        };
        // A row that equals the record is not written. SQLite then reports zero changed rows.
        let action = match conflict {
            ConflictMode::Keep => "NOTHING".to_owned(),
            _ if excluded.is_empty() => "NOTHING".to_owned(),
            _ => format!(
                "UPDATE SET {excluded} WHERE {}",
                differs(&|column| format!("excluded.{}", quoted(names[column])))
            ),
        };
        let may_leave_unchanged = conflict != ConflictMode::Fail;
        let compare = format!(
            "SELECT {} FROM main.{table} AS {ROW} WHERE {key} LIMIT 2",
            differs(&|column| format!("?{}", column + 1))
        );
        let on_conflict = quoted_list(target.key_names());
        let upsert = format!("{insert} ON CONFLICT ({on_conflict}) DO {action}");
        // SQLite compiles the statement only if a unique index is over the key.
        let direct = match connection.prepare(&upsert) {
            Ok(_) if conflict == ConflictMode::Fail => Some(insert.clone()),
            Ok(_) => Some(upsert),
            Err(error) if is_refused_statement(&error) => None,
            Err(error) => return Err(error),
        };
        Ok(Self { direct, may_leave_unchanged, insert, update, exists, compare })
    }

    /// Selects the statements that find the row of a key before a record is written.
    pub(super) fn by_key(mut self) -> Self {
        self.direct = None;
        self
    }

    /// Selects a plain INSERT, for an empty table. Each conflict is then a duplicate key in the archive.
    pub(super) fn insert_only(mut self) -> Self {
        self.direct = Some(self.insert.clone());
        self.may_leave_unchanged = false;
        self
    }
}

/// The alias of the existing row in the statements.
const ROW: &str = "koan_row";

/// Returns the SQL condition that a column of the existing row differs from a value. The condition also
/// detects another storage class, and text that is equal only by the collation of the column.
fn differs(column: &str, value: &str) -> String {
    let column = format!("{ROW}.{}", quoted(column));
    format!("typeof({column}) <> typeof({value}) OR {column} COLLATE BINARY IS NOT {value}")
}

/// Returns the SQL condition that at least one of the terms is true. The condition is a balanced tree,
/// because SQLite limits the depth of an expression.
fn any_of(terms: &[String]) -> String {
    match terms {
        [] => "0".to_owned(),
        [term] => format!("({term})"),
        several => {
            let (left, right) = several.split_at(several.len() / 2);
            format!("({} OR {})", any_of(left), any_of(right))
        }
    }
}
