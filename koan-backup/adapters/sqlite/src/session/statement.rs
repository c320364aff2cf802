//! The statements that write one record, by how the table tells its keys apart.

use koan_backup_core::ConflictMode;
use rusqlite::Connection;

use super::super::error::is_refused_statement;
use super::target::Target;
use koan_backup_sql::identifier::{quoted, quoted_list};

/// How records are written.
#[derive(Clone, Debug)]
pub(super) struct Statements {
    /// One statement for a record, where the table has a unique key or nothing can be there.
    pub(super) direct: Option<String>,
    /// Whether the one statement may leave what is there, because it is kept or equal.
    pub(super) may_keep: bool,
    pub(super) insert: String,
    pub(super) update: String,
    pub(super) exists: String,
    /// Finds the row of a key, and whether it differs from the record.
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
        // The table may name another way to meet a conflict, which would drop records or delete rows in silence.
        let insert = format!(
            "INSERT OR ABORT INTO main.{table} AS {ROW} ({columns}) VALUES ({})",
            parameters.join(", ")
        );
        let is_key = |column: &usize| target.key.contains(column);
        let set = |columns: &mut dyn Iterator<Item = usize>, value: &dyn Fn(usize) -> String| {
            columns
                .map(|column| format!("{} = {}", quoted(names[column]), value(column)))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let all = set(&mut (0..names.len()), &|column| format!("?{}", column + 1));
        // The key comes once more, behind the columns.
        let key = target.key_condition(names.len() + 1);
        let update = format!("UPDATE OR ABORT main.{table} SET {all} WHERE {key}");
        let exists = format!("SELECT 1 FROM main.{table} WHERE {}", target.key_condition(1));
        // An integer key that matched is the same number; any other may match and yet be written differently.
        let skips_key = target
            .mapping
            .table
            .rowid_alias()
            .is_some_and(|alias| target.key_names().eq([alias.name.as_str()]));
        let mut updated = (0..names.len()).filter(|column| !(skips_key && is_key(column)));
        let excluded = set(&mut updated, &|column| format!("excluded.{}", quoted(names[column])));
        let differs = |value: &dyn Fn(usize) -> String| {
            let terms: Vec<String> =
                names.iter().enumerate().map(|(column, name)| differs(name, &value(column))).collect();
            any_of(&terms)
        };
        // A row that is equal is not written again, which SQLite tells by the number of rows that changed.
        let action = match conflict {
            ConflictMode::Keep => "NOTHING".to_owned(),
            _ if excluded.is_empty() => "NOTHING".to_owned(),
            _ => format!(
                "UPDATE SET {excluded} WHERE {}",
                differs(&|column| format!("excluded.{}", quoted(names[column])))
            ),
        };
        let may_keep = conflict != ConflictMode::Fail;
        let compare = format!(
            "SELECT {} FROM main.{table} AS {ROW} WHERE {key} LIMIT 2",
            differs(&|column| format!("?{}", column + 1))
        );
        let on_conflict = quoted_list(target.key_names());
        let upsert = format!("{insert} ON CONFLICT ({on_conflict}) DO {action}");
        // SQLite itself knows best whether one of its indexes makes the key unique.
        let direct = match connection.prepare(&upsert) {
            Ok(_) if conflict == ConflictMode::Fail => Some(insert.clone()),
            Ok(_) => Some(upsert),
            Err(error) if is_refused_statement(&error) => None,
            Err(error) => return Err(error),
        };
        Ok(Self { direct, may_keep, insert, update, exists, compare })
    }

    /// Rows are found by their key before they are written.
    pub(super) fn by_key(mut self) -> Self {
        self.direct = None;
        self
    }

    /// Nothing is there: whatever is in the way is in the archive twice.
    pub(super) fn insert_only(mut self) -> Self {
        self.direct = Some(self.insert.clone());
        self.may_keep = false;
        self
    }
}

/// The row that is there, in the statements.
const ROW: &str = "koan_row";

/// Whether a column of the row that is there differs from a value, be it in its storage class or in letters that its collation
/// takes for one.
fn differs(column: &str, value: &str) -> String {
    let column = format!("{ROW}.{}", quoted(column));
    format!("typeof({column}) <> typeof({value}) OR {column} COLLATE BINARY IS NOT {value}")
}

/// Whether one of these terms holds: nested as a tree, because SQLite limits the depth of an expression.
fn any_of(terms: &[String]) -> String {
    match terms {
        [] => "0".to_owned(),
        [term] => format!("({term})"),
        several => {
            let (one, other) = several.split_at(several.len() / 2);
            format!("({} OR {})", any_of(one), any_of(other))
        }
    }
}
