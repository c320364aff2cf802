//! Lists the object names and the object ids of an event store.

use std::collections::BTreeSet;

use koan_backup_core::{Error, ErrorKind, Result};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::super::connection::Connection;
use super::super::literal::literal;
use super::queries::Parameter;
use super::tables::{KeyColumns, ObjectName, StoreTables, text_of};

impl StoreTables {
    /// Returns the object names of all rows, in the order of their bytes.
    pub(in super::super) async fn object_names(&self, connection: &Connection) -> Result<Vec<String>> {
        let mut names = BTreeSet::new();
        for keys in self.keys() {
            for row in
                keys.query(connection, "reading the object names", &keys.select_object_names(), &[]).await?
            {
                names.insert(keys.name(&row, keys.object.column().map(|column| column.name.as_str()))?);
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Returns the next object ids, in the order of their bytes.
    pub(in super::super) async fn object_ids(
        &self,
        connection: &Connection,
        object: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>> {
        let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
        let parameters: [Parameter<'_>; 3] =
            [(&object, Type::TEXT), (&after, Type::TEXT), (&limit_rows, Type::INT8)];
        let mut ids = BTreeSet::new();
        for keys in self.keys().filter(|keys| keys.admits_object(object)) {
            let query = keys.select_ids(after);
            for row in keys.query(connection, "reading the object ids", &query, &parameters).await? {
                ids.insert(keys.name(&row, Some(&keys.id.name))?);
            }
        }
        Ok(ids.into_iter().take(limit).collect())
    }
}

impl KeyColumns {
    /// Returns the query for all object names.
    fn select_object_names(&self) -> String {
        let rows = self.rows();
        let column = match &self.object {
            ObjectName::Constant(name) => {
                return format!(
                    "SELECT {}::pg_catalog.text WHERE EXISTS (SELECT FROM {rows})",
                    literal(name)
                );
            }
            ObjectName::Column(column) => column,
        };
        let (name, text) = (column.qualified(), text_of(column));
        if !(self.is_unique() && column.not_null && column.is_plain_text()) {
            return format!("SELECT DISTINCT {text} FROM {rows}");
        }
        // There are few names and many events. Each step finds the next name in the index.
        format!(
            "WITH RECURSIVE names (name) AS (\
             (SELECT {text} FROM {rows} ORDER BY {name} LIMIT 1) UNION ALL \
             SELECT (SELECT {text} FROM {rows} WHERE {name} > n.name ORDER BY {name} LIMIT 1) FROM names AS n \
             WHERE n.name IS NOT NULL) \
             SELECT n.name FROM names AS n WHERE n.name IS NOT NULL"
        )
    }

    /// Returns the query for the first object ids with the object name `$1` after the id `$2`, at most `$3`, in the
    /// order of their bytes. An id that is NULL comes first, so that it is found.
    fn select_ids(&self, after: Option<&str>) -> String {
        let (rows, text) = (self.rows(), text_of(&self.id));
        let has_object_name = self.object.column().is_none_or(|column| column.not_null);
        let has_index = self.is_unique() && self.id.not_null && has_object_name;
        if !(has_index && self.id.has_order_of_bytes() && after.is_none_or(|after| self.id.admits(after))) {
            return format!(
                "SELECT x.id FROM (SELECT DISTINCT {text} COLLATE \"C\" AS id FROM {rows} WHERE {} AND \
                 ($2::pg_catalog.text IS NULL OR {text} COLLATE \"C\" > $2::pg_catalog.text)) AS x \
                 ORDER BY x.id COLLATE \"C\" NULLS FIRST LIMIT $3",
                self.has_object_or_null()
            );
        }
        // There are few ids in a page and many events. Each step finds the next id in the index.
        let (id, has_object) = (self.id.qualified(), self.has_object());
        let is_after = |value: &str| format!("{id} > {}", self.id.in_order(value));
        let first = match after {
            Some(_) => is_after("$2::pg_catalog.text"),
            // The type of the parameter is stated, although it is NULL.
            None => "$2::pg_catalog.text IS NULL".to_owned(),
        };
        format!(
            "WITH RECURSIVE ids (id) AS (\
             (SELECT {text} FROM {rows} WHERE {has_object} AND {first} ORDER BY {id} LIMIT 1) UNION ALL \
             SELECT (SELECT {text} FROM {rows} WHERE {has_object} AND {} ORDER BY {id} LIMIT 1) FROM ids AS n \
             WHERE n.id IS NOT NULL) \
             SELECT n.id FROM ids AS n WHERE n.id IS NOT NULL LIMIT $3",
            is_after("n.id")
        )
    }

    /// Reads a name or an id of a query. `column` is its column.
    fn name(&self, row: &Row, column: Option<&str>) -> Result<String> {
        let fault = match row.try_get::<_, Option<String>>(0) {
            Ok(Some(name)) => return Ok(name),
            Ok(None) => "with NULL",
            Err(_) => "with text that is not valid UTF-8",
        };
        Err(Error::new(
            ErrorKind::Record,
            format!(
                "table `{}` has a row {fault} in column `{}`, so it belongs to no stream; correct or remove the row",
                self.table.display_name,
                column.unwrap_or_default()
            ),
        ))
    }
}
