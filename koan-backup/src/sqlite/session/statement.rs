//! The statements that write one record, by how the table tells its keys apart.

use koan_backup_core::ConflictMode;
use rusqlite::Connection;

use super::super::error::is_refused_statement;
use super::super::identifier::{quoted, quoted_list};
use super::super::snapshot::key_condition;
use super::target::Target;

/// How records are written.
#[derive(Clone, Debug)]
pub(super) struct Statements {
    /// One statement for a record, where the table has a unique key or nothing can be there.
    pub(super) direct: Option<String>,
    /// Whether the one statement may leave what is there.
    pub(super) may_keep: bool,
    pub(super) insert: String,
    pub(super) update: String,
    pub(super) exists: String,
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
        let insert =
            format!("INSERT OR ABORT INTO main.{table} ({columns}) VALUES ({})", parameters.join(", "));
        let is_key = |column: &usize| target.key.contains(column);
        let set = |columns: &mut dyn Iterator<Item = usize>, value: &dyn Fn(usize) -> String| {
            columns
                .map(|column| format!("{} = {}", quoted(names[column]), value(column)))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let key: Vec<String> = target
            .key
            .iter()
            .map(|&column| format!("{} IS ?{}", quoted(names[column]), column + 1))
            .collect();
        let key = key.join(" AND ");
        let all = set(&mut (0..names.len()), &|column| format!("?{}", column + 1));
        let update = format!("UPDATE OR ABORT main.{table} SET {all} WHERE {key}");
        let exists = format!("SELECT 1 FROM main.{table} WHERE {}", key_condition(target.key_names(), 1));
        // An integer key that matched is the same number; any other may match and yet be written differently.
        let skips_key = target
            .mapping
            .table
            .rowid_alias()
            .is_some_and(|alias| target.key_names().eq([alias.name.as_str()]));
        let mut updated = (0..names.len()).filter(|column| !(skips_key && is_key(column)));
        let excluded = set(&mut updated, &|column| format!("excluded.{}", quoted(names[column])));
        let action = match conflict {
            ConflictMode::Keep => "NOTHING".to_owned(),
            _ if excluded.is_empty() => "NOTHING".to_owned(),
            _ => format!("UPDATE SET {excluded}"),
        };
        let may_keep = action == "NOTHING" && conflict != ConflictMode::Fail;
        let on_conflict = quoted_list(target.key_names());
        let upsert = format!("{insert} ON CONFLICT ({on_conflict}) DO {action}");
        // SQLite itself knows best whether one of its indexes makes the key unique.
        let direct = match connection.prepare(&upsert) {
            Ok(_) if conflict == ConflictMode::Fail => Some(insert.clone()),
            Ok(_) => Some(upsert),
            Err(error) if is_refused_statement(&error) => None,
            Err(error) => return Err(error),
        };
        Ok(Self { direct, may_keep, insert, update, exists })
    }

    /// Nothing is there: whatever is in the way is in the archive twice.
    pub(super) fn insert_only(mut self) -> Self {
        self.direct = Some(self.insert.clone());
        self.may_keep = false;
        self
    }
}
