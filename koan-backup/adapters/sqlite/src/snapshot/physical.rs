//! The physical form of a table, which an archive records in addition to the records so that a restored row
//! equals the original row.

use std::collections::BTreeMap;

use koan_backup_core::{Error, ErrorKind, Result, entity::EntityCodec, provider::ReadSummary};
use rusqlite::OptionalExtension as _;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::super::error::failed;
use super::super::form::{JSON_NULL_FORM, RecordedForms};
use super::super::mapping::Mapping;
use super::super::references::count_dangling;
use super::reader::Reader;

/// The physical form of a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in super::super) struct PhysicalForm {
    /// The forms of the columns in which not all values have the default form.
    pub(in super::super) columns: BTreeMap<String, Json>,
    /// The fields without a column. In the records, they have the default value of serde.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in super::super) fields_without_column: Vec<String>,
    /// The number of rows that refer to a missing row, by parent table.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(in super::super) dangling_references: BTreeMap<String, u64>,
    /// The last number that AUTOINCREMENT assigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) sequence: Option<i64>,
    /// Descriptions of the values that another kind of database does not preserve. Restores read them under
    /// [this name](koan_backup_core::provider::NOT_KEPT_ELSEWHERE).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in super::super) not_kept_elsewhere: Vec<String>,
}

/// The properties of a column that a read recorded.
pub(super) struct ColumnReport<'m> {
    pub(super) name: &'m str,
    /// The serde name of the column's field.
    pub(super) field: &'m str,
    pub(super) forms: RecordedForms,
    /// The number of values that cannot be written back byte for byte.
    pub(super) inexact: u64,
}

/// Adds the physical form to the summary of a read, with warnings about what could not be recorded.
pub(super) fn report(
    reader: &Reader,
    entity: &EntityCodec,
    mapping: &Mapping,
    columns: Vec<ColumnReport<'_>>,
    summary: &mut ReadSummary,
) -> Result<()> {
    let table = &mapping.table.name;
    let mut physical = PhysicalForm::default();
    for column in columns {
        let name = column.name;
        if column.forms.has_too_many_null_runs {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "{}: column `{name}` of table `{table}` alternates between NULL and JSON `null` more \
                     often than an archive can record, and a record cannot distinguish them; replace JSON \
                     `null` with NULL, or make the column NOT NULL",
                    entity.name()
                ),
            ));
        }
        if let Some(forms) = column.forms.alternating_forms {
            summary.warnings.push(format!(
                "column `{name}` of table `{table}` alternates between {forms} physical forms more often \
                 than an archive records; a restore writes all its values in the most frequent form"
            ));
        }
        let count = column.inexact + summary.rewritten.get(column.field).copied().unwrap_or(0);
        if count > 0 {
            let values = if count == 1 { "value" } else { "values" };
            summary.warnings.push(format!(
                "column `{name}` of table `{table}`: {count} {values} cannot be written back byte for byte, \
                 because of white space, superfluous digits, letter case or the order of keys in JSON; the \
                 archive preserves only the meaning"
            ));
        }
        if let Some(forms) = column.forms.json {
            let is_json_null = |form: &Json| form.as_str() == Some(JSON_NULL_FORM);
            let mut form_names = forms.get("forms").and_then(Json::as_array).into_iter().flatten();
            if form_names.any(is_json_null) {
                physical.not_kept_elsewhere.push(format!(
                    "column `{name}` of table `{table}` contained JSON `null`, which is the same as NULL in \
                     a record; only a restore into SQLite writes it as JSON `null` again"
                ));
            }
            physical.columns.insert(name.to_owned(), forms);
        }
    }
    let to_error = |error| failed(&reader.path, &format!("reading the properties of table `{table}`"), error);
    physical.dangling_references = count_dangling(&reader.connection, table).map_err(to_error)?;
    for (parent, count) in &physical.dangling_references {
        summary.warnings.push(format!(
            "{count} rows of table `{table}` refer to rows of table `{parent}` that do not exist; the backup \
             contains them unchanged, and a restore accepts them"
        ));
    }
    physical.sequence = sequence(reader, table).map_err(to_error)?;
    let fields = &entity.schema().fields;
    physical.fields_without_column =
        mapping.unmapped_fields.iter().map(|&field| fields[field].name.clone()).collect();
    for field in &physical.fields_without_column {
        summary.warnings.push(format!(
            "field `{field}` of {} has no column in table `{table}`; the records in the archive have its \
             default value",
            entity.name()
        ));
    }
    summary.physical = serde_json::to_value(physical).ok();
    Ok(())
}

/// Reads the last number that AUTOINCREMENT assigned in a table.
fn sequence(reader: &Reader, table: &str) -> rusqlite::Result<Option<i64>> {
    let exists = "SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence'";
    if reader.connection.query_row(exists, [], |_| Ok(())).optional()?.is_none() {
        return Ok(None);
    }
    let query = "SELECT seq FROM main.sqlite_sequence WHERE name = ?1";
    reader.connection.query_row(query, [table], |row| row.get(0)).optional()
}
