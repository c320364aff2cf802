//! Rows that a unique index would keep apart.
//!
//! While it is gone two may come in. What the server tells when it is built again holds content, so the rows are looked for.

use koan_backup_core::{EntityCodec, Error, ErrorKind, Result};

use super::super::column_type::ColumnType;
use super::super::connection::Connection;
use super::super::identifier::{listed, quoted, quoted_list};
use super::indexes::Index;
use super::keys::first_keys;
use super::target::{Target, twice};

/// How many records an error text names.
const NAMED: usize = 2;

/// What a unique index of a target compares.
#[derive(Debug)]
pub(super) struct Unique {
    entity: EntityCodec,
    /// The columns of the entity's key.
    key: Vec<(String, ColumnType)>,
    rows: String,
    shown_table: String,
    shown: String,
    columns: Vec<String>,
}

impl Unique {
    /// `None` for an index that keeps nothing apart.
    pub(super) fn of(index: &Index, target: &Target) -> Option<Self> {
        let key = target.key_columns().map(|column| (column.name.clone(), column.column_type.clone()));
        let key: Vec<_> = key.collect();
        if key.is_empty() {
            return None;
        }
        Some(Self {
            entity: target.entity.clone(),
            key,
            rows: target.mapping.table.rows(),
            shown_table: target.mapping.table.shown.clone(),
            shown: index.shown.clone(),
            columns: index.unique.clone()?,
        })
    }

    /// The error of rows that are the same to the index, if there are any.
    pub(super) async fn broken(&self, connection: &Connection) -> Result<Option<Error>> {
        let columns = quoted_list(self.columns.iter().map(String::as_str));
        // NULL is no value to most indexes, and to IN.
        let there: Vec<String> =
            self.columns.iter().map(|column| format!("{} IS NOT NULL", quoted(column))).collect();
        let repeated = format!(
            "SELECT {columns} FROM {} WHERE {} GROUP BY {columns} HAVING pg_catalog.count(*) > 1",
            self.rows,
            there.join(" AND ")
        );
        let order: Vec<String> = (1..=self.key.len()).map(|column| column.to_string()).collect();
        let from = format!(
            "{} WHERE ({columns}) IN (SELECT * FROM ({repeated} LIMIT 1) AS x) ORDER BY {}",
            self.rows,
            order.join(", ")
        );
        let key: Vec<_> = self.key.iter().map(|(name, column_type)| (name.as_str(), column_type)).collect();
        let keys = first_keys(connection, &self.entity, &key, &from, NAMED).await?;
        let (name, table) = (self.entity.name(), &self.shown_table);
        let [first, rest @ ..] = keys.as_slice() else { return Ok(None) };
        let is_key = self.columns.len() == self.key.len()
            && self.columns.iter().all(|column| self.key.iter().any(|(key, _)| key == column));
        if is_key {
            return Ok(Some(twice(&self.entity, table, first)));
        }
        let named = listed(std::iter::once(first).chain(rest).map(String::as_str));
        Ok(Some(Error::new(
            ErrorKind::Constraint,
            format!(
                "{name} {named} have the same values where table `{table}` keeps rows apart (constraint `{}`)",
                self.shown
            ),
        )))
    }
}
