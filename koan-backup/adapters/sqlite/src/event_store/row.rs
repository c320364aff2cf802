//! Reads the values of one row of the event store.

use koan_backup_core::{Result, entity::stream::JsonText};
use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::identity::Identity;
use super::store_tables::{StoreColumn, StoreTable};
use super::stored_form::{StoreContent, integer};
use koan_backup_sql::event_tables::EventTables;

/// A row, whose columns are those of its table in their order.
pub(super) struct StoreRow<'r, C> {
    table: &'r StoreTable<C>,
    row: &'r Row<'r>,
    object: &'r str,
    object_id: String,
    version: Option<u64>,
}

impl<'r, C: StoreContent> StoreRow<'r, C> {
    /// Reads the object id and the version of a row with this object name.
    ///
    /// # Errors
    /// One of them is not stored as the event store needs it. The error names what could be read.
    pub(super) fn new(
        names: &EventTables,
        table: &'r StoreTable<C>,
        row: &'r Row<'r>,
        object: &'r str,
    ) -> Result<Self> {
        let mut found = Self { table, row, object, object_id: "?".to_owned(), version: None };
        found.object_id = found.required_text(C::OBJECT_ID)?;
        let number = found.required_number(C::VERSION)?;
        found.version = names.version_of(number);
        if found.version.is_none() {
            let reason = format!("is {number}, but versions begin with {}", names.first_version());
            return Err(found.unreadable(C::VERSION, &reason));
        }
        Ok(found)
    }

    pub(super) fn object_id(&self) -> &str {
        &self.object_id
    }

    pub(super) fn version(&self) -> u64 {
        self.version.unwrap_or_default()
    }

    /// Reads optional text. Returns `None` if no column contains it.
    pub(super) fn text(&self, content: C) -> Result<Option<String>> {
        let Some((stored, column)) = self.stored(content)? else { return Ok(None) };
        column.form.text(stored).map_err(|reason| self.unreadable(content, reason))
    }

    /// Reads text that every row has.
    pub(super) fn required_text(&self, content: C) -> Result<String> {
        self.text(content)?.ok_or_else(|| self.unreadable(content, "is NULL"))
    }

    /// Reads an optional number. Returns `None` if no column contains it.
    pub(super) fn number(&self, content: C) -> Result<Option<i64>> {
        let Some((stored, _)) = self.stored(content)? else { return Ok(None) };
        integer(stored).map_err(|reason| self.unreadable(content, reason))
    }

    /// Reads a number that every row has.
    pub(super) fn required_number(&self, content: C) -> Result<i64> {
        self.number(content)?.ok_or_else(|| self.unreadable(content, "is NULL"))
    }

    /// Reads optional JSON. Returns `None` if no column contains it.
    pub(super) fn json(&self, content: C) -> Result<Option<JsonText>> {
        let json = self.text(content)?.map(JsonText::exact).transpose();
        json.map_err(|_| self.unreadable(content, "is not JSON"))
    }

    /// Reads JSON that every row has.
    pub(super) fn required_json(&self, content: C) -> Result<JsonText> {
        self.json(content)?.ok_or_else(|| self.unreadable(content, "is NULL"))
    }

    /// Returns whether a column has this content.
    pub(super) fn has(&self, content: C) -> bool {
        self.table.column(content).is_some()
    }

    /// Returns the error about a value of this row that cannot be preserved.
    pub(super) fn unreadable(&self, content: C, reason: &str) -> koan_backup_core::Error {
        let column = self.table.column(content).map_or("", |column| column.name.as_str());
        let (object, object_id, version) = (self.object, self.object_id.as_str(), self.version);
        Identity { object, object_id, version }.unreadable(&self.table.name, column, reason)
    }

    fn stored(&self, content: C) -> Result<Option<(ValueRef<'r>, &'r StoreColumn<C>)>> {
        let position = self.table.columns.iter().position(|column| column.content == content);
        let Some(position) = position else { return Ok(None) };
        let stored = self.row.get_ref(position).map_err(|_| self.unreadable(content, "was not selected"))?;
        Ok(Some((stored, &self.table.columns[position])))
    }
}
