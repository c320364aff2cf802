//! Maps the fields of an entity to the columns of its table.

use std::fmt::Debug;

use koan_backup_core::{Result, entity::EntityCodec, schema::FieldSchema};

use super::columns::{Columns, missing_columns_message, require_no_problem};
use super::content::Content;
use super::coverage::MatchedColumns;

/// A table of a database.
pub trait SqlTable: Clone + Debug {
    /// A column of the table.
    type Column: SqlColumn;

    /// Returns the name of the table in messages.
    fn display_name(&self) -> &str;

    /// Returns the columns in the order of the table.
    fn columns(&self) -> &[Self::Column];

    /// Returns how the values of a field are read from a column of this table and written to it.
    ///
    /// # Errors
    /// The values of the field cannot be stored in the column. The error is a message with the remedy.
    fn type_of_field(
        &self,
        column: &Self::Column,
        field: &FieldSchema,
    ) -> Result<<Self::Column as SqlColumn>::Type, String>;
}

/// A column of a table.
pub trait SqlColumn: Clone + Debug {
    /// How values are read from a column and written to it.
    type Type: Clone + Debug;

    /// Returns the name.
    fn name(&self) -> &str;

    /// Returns whether the database computes the values of the column.
    fn is_generated(&self) -> bool;

    /// Returns whether the column stores bytes as binary data, and not as text.
    fn stores_bytes(&self) -> bool;

    /// Returns how the values are read and written if the column contains an entry of a flattened map, or
    /// `None` if the adapter cannot convert the type of the column.
    fn type_of_extra(&self) -> Option<Self::Type>;
}

/// An entity's table, with the columns matched to its fields.
#[derive(Clone, Debug)]
pub struct Mapping<T: SqlTable> {
    /// The table.
    pub table: T,
    /// The columns that contain data of the entity: first those of the fields, in the order of the fields,
    /// then those of the entries of a flattened map.
    pub columns: Vec<MappedColumn<T::Column>>,
    /// The columns without a field, except generated columns.
    pub unmapped_columns: Vec<T::Column>,
    /// The columns of the key fields, as indexes into `columns`.
    pub key: Vec<usize>,
    /// The indexes of fields without a column.
    pub unmapped_fields: Vec<usize>,
    /// Messages about columns that cannot store the values of their field.
    incompatible: Vec<String>,
}

/// A column and what it contains for the entity.
#[derive(Clone, Debug)]
pub struct MappedColumn<C: SqlColumn> {
    /// The column.
    pub column: C,
    /// What the column contains for the entity.
    pub content: Content,
    /// How values are read from the column and written to it.
    pub column_type: C::Type,
}

impl<C: SqlColumn> MappedColumn<C> {
    /// Returns the serde name of the field, or the name of the column for an entry of a flattened map.
    pub fn field_name<'a>(&'a self, entity: &'a EntityCodec) -> &'a str {
        match self.content {
            Content::Field(field) => &entity.schema().fields[field].name,
            Content::Extra => self.column.name(),
        }
    }

    /// Returns the index of the field if the column stores bytes that serde writes as a list of numbers.
    fn byte_list_field(&self, entity: &EntityCodec) -> Option<usize> {
        self.content.byte_list_field(entity).filter(|_| self.column.stores_bytes())
    }
}

impl<T: SqlTable> Mapping<T> {
    /// Matches the columns of a table with the fields of an entity.
    ///
    /// # Errors
    /// A field declares a column that does not exist, or more than one column fits a field.
    pub fn of_table(table: &T, entity: &EntityCodec) -> Result<Self> {
        let names = table.columns().iter().map(SqlColumn::name).collect();
        let matches = Columns { table: table.display_name(), names }.matched(entity)?;
        Ok(Self::from_matches(table, entity, &matches))
    }

    /// Creates the mapping from `matches`, which contains the index of the field for each column of the
    /// table.
    fn from_matches(table: &T, entity: &EntityCodec, matches: &[Option<usize>]) -> Self {
        let schema = entity.schema();
        let (mut columns, mut unmapped_fields, mut incompatible) = (Vec::new(), Vec::new(), Vec::new());
        for (index, field) in schema.fields.iter().enumerate() {
            let Some(column) = matches.iter().position(|&field| field == Some(index)) else {
                unmapped_fields.push(index);
                continue;
            };
            let column = table.columns()[column].clone();
            match table.type_of_field(&column, field) {
                Ok(column_type) => {
                    columns.push(MappedColumn { column, content: Content::Field(index), column_type });
                }
                Err(message) => incompatible.push(message),
            }
        }
        let mut unmapped_columns = Vec::new();
        for (column, field) in table.columns().iter().zip(matches) {
            if field.is_some() || column.is_generated() {
                continue;
            }
            let column = column.clone();
            match column.type_of_extra().filter(|_| schema.open) {
                Some(column_type) => {
                    columns.push(MappedColumn { column, content: Content::Extra, column_type });
                }
                None => unmapped_columns.push(column),
            }
        }
        let is_key = |mapped: &MappedColumn<T::Column>| mapped.content.is_key(entity);
        let key = (0..columns.len()).filter(|&index| is_key(&columns[index])).collect();
        Self { table: table.clone(), columns, key, unmapped_columns, unmapped_fields, incompatible }
    }

    /// Returns the reason why records cannot be read or written: a field that requires a column has no
    /// column, or a column cannot store the values of its field. Returns `None` if there is no such reason.
    pub fn problem(&self, entity: &EntityCodec) -> Option<String> {
        let mut problems = self.incompatible.clone();
        problems.extend(missing_columns_message(entity, self.table.display_name(), &self.unmapped_fields));
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    /// Returns the [`problem`](Self::problem) as an error.
    ///
    /// # Errors
    /// There is a problem.
    pub fn check(&self, entity: &EntityCodec) -> Result<()> {
        require_no_problem(entity, self.problem(entity))
    }

    /// Returns the columns of the key.
    pub fn key_columns(&self) -> impl Iterator<Item = &T::Column> {
        self.key.iter().map(|&index| &self.columns[index].column)
    }

    /// Returns which columns and fields belong together, for the report about coverage.
    pub fn into_matched(self, entity: &EntityCodec) -> MatchedColumns {
        MatchedColumns {
            problem: self.problem(entity),
            covered_columns: self.columns.iter().map(|mapped| mapped.column.name().to_owned()).collect(),
            unmapped_columns: self.unmapped_columns.iter().map(|column| column.name().to_owned()).collect(),
            byte_list_fields: self
                .columns
                .iter()
                .filter_map(|mapped| mapped.byte_list_field(entity))
                .collect(),
            unmapped_fields: self.unmapped_fields,
        }
    }
}
