//! The SQL conditions that find rows of the event store. They compare text by its bytes.

use super::store_tables::{StoreColumn, StoreTable};
use super::stored_form::StoreContent;
use koan_backup_sql::identifier::quoted;

impl<C: StoreContent> StoreTable<C> {
    /// Returns the condition that a row has the object name in parameter 1.
    pub(super) fn of_object(&self) -> String {
        self.column(C::OBJECT).map_or_else(|| "?1 IS NOT NULL".to_owned(), |column| column.equals("?1"))
    }

    /// Returns the condition that a row has the object name in parameter 1 and the object id in parameter 2.
    pub(super) fn of_aggregate(&self) -> String {
        let id = self.column(C::OBJECT_ID).map_or_else(String::new, |column| column.equals("?2"));
        format!("{} AND {id}", self.of_object())
    }

    /// Returns the object id as an expression that is compared by its bytes.
    pub(super) fn id(&self) -> String {
        self.column(C::OBJECT_ID).map_or_else(String::new, StoreColumn::by_bytes)
    }

    /// Returns the quoted column of the version.
    pub(super) fn version(&self) -> String {
        self.column(C::VERSION).map_or_else(String::new, |column| quoted(&column.name))
    }
}

impl<C> StoreColumn<C> {
    /// Returns the column as an expression that is compared by its bytes.
    pub(super) fn by_bytes(&self) -> String {
        let collation = if self.is_binary { "" } else { " COLLATE BINARY" };
        format!("{}{collation}", quoted(&self.name))
    }

    /// Returns the condition that the column equals a parameter. An index with the collation of the column can be used.
    pub(super) fn equals(&self, parameter: &str) -> String {
        let name = quoted(&self.name);
        match self.is_binary {
            true => format!("{name} = {parameter}"),
            false => format!("{name} = {parameter} AND {name} COLLATE BINARY = {parameter}"),
        }
    }
}
