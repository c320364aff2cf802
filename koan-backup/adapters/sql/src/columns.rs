//! Matches the columns of a table with the fields of an entity.

use koan_backup_core::{Error, ErrorKind, Result, entity::EntityCodec, schema::FieldSchema};

use super::identifier::{folded, listed};

/// A table whose columns are matched with the fields of an entity.
#[derive(Debug)]
pub struct Columns<'a> {
    /// The name of the table in error messages.
    pub table: &'a str,
    /// The names of the columns, in the order of the table.
    pub names: Vec<&'a str>,
}

impl Columns<'_> {
    /// Returns for each column the index of the field that it contains, or `None` if it contains no field.
    ///
    /// # Errors
    /// A field declares a column that does not exist, two fields match the same column, or more than one
    /// column matches a field. The message contains the remedy.
    pub fn matched(&self, entity: &EntityCodec) -> Result<Vec<Option<usize>>> {
        let fields = &entity.schema().fields;
        let mut assigned: Vec<Option<usize>> = vec![None; self.names.len()];
        // Exact names are matched first, so that no other field is matched with these columns.
        for (index, field) in fields.iter().enumerate() {
            if let Some(column) = self.find_exact(entity, field)? {
                if let Some(other) = assigned[column] {
                    return Err(self.shared_column_error(entity, column, &fields[other], field));
                }
                assigned[column] = Some(index);
            }
        }
        for (index, field) in fields.iter().enumerate() {
            if field.column.is_some() || assigned.contains(&Some(index)) {
                continue;
            }
            let wanted = folded(&field.name);
            let free = (0..assigned.len()).filter(|&column| {
                assigned[column].is_none_or(|other| !self.is_exact(column, &fields[other]))
            });
            let found: Vec<usize> = free.filter(|&column| folded(self.names[column]) == wanted).collect();
            match found.as_slice() {
                [] => {}
                [column] => {
                    if let Some(other) = assigned[*column] {
                        return Err(self.shared_column_error(entity, *column, &fields[other], field));
                    }
                    assigned[*column] = Some(index);
                }
                several => return Err(self.ambiguous_columns_error(entity, field, several)),
            }
        }
        Ok(assigned)
    }

    fn find_exact(&self, entity: &EntityCodec, field: &FieldSchema) -> Result<Option<usize>> {
        let wanted = field.column.as_deref().unwrap_or(&field.name);
        let position = |matches: &dyn Fn(&str) -> bool| self.names.iter().position(|name| matches(name));
        let found = position(&|name| name == wanted);
        match (&field.column, found) {
            (None, found) | (Some(_), found @ Some(_)) => Ok(found),
            (Some(column), None) => {
                position(&|name| name.eq_ignore_ascii_case(column)).map(Some).ok_or_else(|| {
                    configuration_error(format!(
                        "field `{}` of {} declares column `{column}`, which table `{}` does not have; its \
                         columns are {}",
                        field.name,
                        entity.name(),
                        self.table,
                        listed(self.names.iter().copied()),
                    ))
                })
            }
        }
    }

    fn is_exact(&self, column: usize, field: &FieldSchema) -> bool {
        field.column.is_some() || self.names[column] == field.name
    }

    fn shared_column_error(
        &self,
        entity: &EntityCodec,
        column: usize,
        first: &FieldSchema,
        second: &FieldSchema,
    ) -> Error {
        configuration_error(format!(
            "fields `{}` and `{}` of {} both match column `{}` of table `{}`; declare the column of each \
             field with #[entity(column = \"…\")]",
            first.name,
            second.name,
            entity.name(),
            self.names[column],
            self.table,
        ))
    }

    fn ambiguous_columns_error(&self, entity: &EntityCodec, field: &FieldSchema, columns: &[usize]) -> Error {
        configuration_error(format!(
            "field `{}` of {} matches each of the columns {} of table `{}`; declare its column with \
             #[entity(column = \"…\")]",
            field.name,
            entity.name(),
            listed(columns.iter().map(|&column| self.names[column])),
            self.table,
        ))
    }
}

/// Returns an error message that lists the required fields without a column, or `None` if there are none.
pub fn missing_columns_message(
    entity: &EntityCodec,
    table: &str,
    unmapped_fields: &[usize],
) -> Option<String> {
    let fields = &entity.schema().fields;
    let needed = |index: &&usize| fields[**index].required || fields[**index].key;
    let missing: Vec<_> = unmapped_fields.iter().filter(needed).map(|&i| fields[i].name.as_str()).collect();
    (!missing.is_empty()).then(|| {
        format!(
            "table `{table}` has no column for {} {}; add the column, declare another column with \
             #[entity(column = \"…\")], or add #[serde(default)] to the field",
            if missing.len() == 1 { "field" } else { "fields" },
            listed(missing),
        )
    })
}

/// Returns an error if `problem` contains a reason why records of an entity cannot be read or written.
///
/// # Errors
/// `problem` is not `None`.
pub fn require_no_problem(entity: &EntityCodec, problem: Option<String>) -> Result<()> {
    match problem {
        None => Ok(()),
        Some(problem) => Err(Error::new(
            ErrorKind::Incompatible,
            format!("{} cannot be read from or written to this database: {problem}", entity.name()),
        )),
    }
}

fn configuration_error(text: String) -> Error {
    Error::new(ErrorKind::Configuration, text)
}
