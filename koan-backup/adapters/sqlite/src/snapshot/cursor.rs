//! Reads the rows of one table, in the order of their keys.

use std::borrow::Cow;

use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::{EntityCodec, Projection, Row},
    provider::{Flow, ReadRequest, ReadSummary, RecordSink},
    value::Value,
};
use rusqlite::types::ValueRef;

use super::super::bind::Stored;
use super::super::column_type::ColumnType;
use super::super::error::{failed, is_refused_statement};
use super::super::form::{Form, FormRecorder, SQL_NULL, UuidStyle};
use super::super::mapping::{self, Mapping};
use super::super::observed_encoding::{KeyForms, key_forms, observed_forms};
use super::super::thread::JobStatus;
use super::super::unwritable;
use super::access::{TableRead, equality};
use super::duplicates::{self, LastKey};
use super::physical::{self, ColumnReport};
use super::reader::Reader;
use koan_backup_sql::content::Content;
use koan_backup_sql::conversion_error::ConversionError;
use koan_backup_sql::field_kind::FieldKind;
use koan_backup_sql::identifier::quoted;

/// The reader of one column, which records the forms of its values.
struct ColumnReader {
    column_type: ColumnType,
    forms: FormRecorder,
    /// The number of values that cannot be written back byte for byte.
    inexact: u64,
    /// Whether a value that cannot be written back in its form is an error. A key in another form would not
    /// match its row.
    requires_exact_form: bool,
}

impl ColumnReader {
    #[inline]
    fn read<'a>(&mut self, stored: ValueRef<'a>) -> Result<Value<'a>, ConversionError> {
        if stored == ValueRef::Null {
            match self.column_type.kind {
                // A missing value can also have the form of JSON `null`, so the form of NULL is recorded.
                FieldKind::Structure | FieldKind::Json => self.forms.push(Form::stored_as(SQL_NULL)),
                _ => self.forms.push_null(),
            }
            return Ok(Value::Null);
        }
        let (value, form) = self.column_type.read(stored)?;
        match form {
            Some(form) => self.forms.push(form),
            None if self.requires_exact_form
                && !matches!(stored, ValueRef::Integer(_) | ValueRef::Real(_)) =>
            {
                return Err(ConversionError::new(
                    "contains a key in a form that cannot be written back unchanged, because of white space, \
                     superfluous digits or letter case, so a restored record would not find its row; store \
                     the key in its canonical form",
                ));
            }
            None => {
                // The sink counts the integers that the floating-point field rounds, because it compares the
                // value with the value that the type writes.
                let is_float = matches!(self.column_type.kind, FieldKind::Float32 | FieldKind::Float64);
                if !(is_float && matches!(value, Value::I64(_))) {
                    self.inexact += 1;
                }
                self.forms.push_null();
            }
        }
        Ok(value)
    }
}

/// Reads the requested rows and passes them to the sink. If the request has no key, all rows are read and
/// checked.
pub(super) fn read(
    reader: &Reader,
    request: &ReadRequest,
    mut sink: RecordSink,
    status: &JobStatus,
) -> Result<ReadSummary> {
    let entity = &request.entity;
    let mapping = mapping::find(&reader.catalog, entity, &request.set)?;
    mapping.check(entity)?;
    let to_error = |error| failed(&reader.path, &format!("reading table `{}`", mapping.table.name), error);
    let equality = equality(reader, &reader.collations, &mapping).map_err(to_error)?;
    let mut table_read =
        TableRead::new(&reader.connection, &reader.collations, &mapping, &equality).map_err(to_error)?;
    let columns = || mapping.columns.iter().map(|mapped| mapped.column.name.as_str());
    let (query, parameters) = match &request.key {
        Some(key) => {
            let (condition, parameters) = find_key_condition(reader, entity, &mapping, key)?;
            (select_where(&mapping, &condition), parameters)
        }
        None => (table_read.select(columns()), Vec::new()),
    };
    let (projection, mut readers) = column_readers(entity, &mapping, request.key.is_none());
    if readers.iter().any(|column_reader| column_reader.column_type.kind.is_json()) {
        sink.watch_json_text();
    }
    let to_prepare_error = |error| match unwritable::unreadable(&reader.connection, &mapping) {
        Some(text) if is_refused_statement(&error) => Error::with_source(ErrorKind::Unsupported, text, error),
        _ => to_error(error),
    };
    let mut statement = reader.connection.prepare(&query).map_err(to_prepare_error)?;
    let mut rows = statement.query(rusqlite::params_from_iter(parameters)).map_err(to_error)?;
    let mut previous_values: Vec<Value<'static>> = Vec::with_capacity(readers.len());
    let mut last_key = LastKey::new(&equality);
    while let Some(row) = rows.next().map_err(to_error)? {
        let get = |index| row.get_ref(index);
        let mut values = recycled(previous_values);
        for (index, column_reader) in readers.iter_mut().enumerate() {
            let stored = row.get_ref(index).map_err(to_error)?;
            match column_reader.read(stored) {
                Ok(value) => values.push(value),
                Err(conversion_error) => {
                    let key = stored_key_text(entity, &mapping, get);
                    return Err(mapping.columns[index].content.unreadable(
                        entity,
                        &mapping.columns[index].column.name,
                        &key,
                        &conversion_error,
                    ));
                }
            }
        }
        if request.key.is_none() {
            table_read.record(readers.len(), &mapping.key, get).map_err(to_error)?;
            if last_key.record(&mapping.key, get).map_err(to_error)? {
                return Err(duplicates::duplicate_key_error(
                    entity,
                    &mapping,
                    &stored_key_text(entity, &mapping, get),
                ));
            }
        }
        let flow = sink.push(&Row { projection: &projection, values: &values })?;
        previous_values = recycled(values);
        if flow == Flow::Flush {
            status.check()?;
            sink.flush_blocking()?;
        }
    }
    drop(rows);
    if request.key.is_some() {
        return sink.finish_blocking();
    }
    let mut warnings = table_read.check(reader)?;
    let columns = mapping.columns.iter().zip(readers).map(|(mapped, column_reader)| ColumnReport {
        name: &mapped.column.name,
        field: mapped.field_name(entity),
        forms: column_reader.forms.finish(),
        inexact: column_reader.inexact,
    });
    let columns: Vec<_> = columns.collect();
    if mapping.key.iter().any(|&index| columns[index].forms.has_several_forms()) {
        duplicates::check_all_keys(reader, entity, &mapping)?;
    }
    if let Some(collation) = equality.unknown_collation() {
        warnings.push(format!(
            "the key of table `{}` uses the collation `{collation}`, which is not defined on this connection, \
             so the backup did not check whether rows have equal keys; define the collation with \
             `Sqlite::options(…).collation`",
            mapping.table.name
        ));
    }
    let mut summary = sink.finish_blocking()?;
    summary.warnings.extend(warnings);
    physical::report(reader, entity, &mapping, columns, &mut summary)?;
    Ok(summary)
}

/// Returns the query for the columns of the rows that satisfy a condition.
fn select_where(mapping: &Mapping, condition: &str) -> String {
    let columns: Vec<String> = mapping.columns.iter().map(|mapped| quoted(&mapped.column.name)).collect();
    format!("SELECT {} FROM main.{} WHERE {condition}", columns.join(", "), quoted(&mapping.table.name))
}

/// Creates the readers of all mapped columns, and the projection of the columns to the fields.
fn column_readers(
    entity: &EntityCodec,
    mapping: &Mapping,
    is_backup: bool,
) -> (Projection, Vec<ColumnReader>) {
    let mut projection = Projection::new(entity.schema());
    let mut readers = Vec::with_capacity(mapping.columns.len());
    for (index, mapped) in mapping.columns.iter().enumerate() {
        match mapped.content {
            Content::Field(index) => projection.field(&entity.schema().fields[index]),
            Content::Extra => projection.extra(&mapped.column.name),
        }
        let column_type = mapped.column_type;
        readers.push(ColumnReader {
            column_type,
            forms: FormRecorder::new(column_type.default),
            inexact: 0,
            requires_exact_form: is_backup && mapping.key.contains(&index),
        });
    }
    (projection, readers)
}

/// Reuses the allocation of a vector for values with another lifetime. Collecting the iterator of an emptied
/// vector reuses its allocation.
fn recycled<'b>(mut values: Vec<Value<'_>>) -> Vec<Value<'b>> {
    values.clear();
    values.into_iter().map(|_| Value::Null).collect()
}

/// An SQL condition that finds rows, and its parameters.
type RowCondition = (String, Vec<Stored<'static>>);

/// The comparison of UUIDs that are stored as text.
#[derive(Clone, Copy)]
enum UuidComparison {
    /// Only the text in one of the known forms is equal.
    KnownForms,
    /// Case, hyphens, braces and the prefix `urn:uuid:` are ignored.
    Lenient,
}

/// Returns the condition that finds the row of a key, in whichever form the key is stored.
fn find_key_condition(
    reader: &Reader,
    entity: &EntityCodec,
    mapping: &Mapping,
    key: &[Value<'static>],
) -> Result<RowCondition> {
    if mapping.key.len() != key.len() {
        return Err(Error::new(
            ErrorKind::Record,
            format!(
                "the key of {} has {} fields, but the requested key has {} values; request a key with a \
                 value for each field",
                entity.name(),
                mapping.key.len(),
                key.len()
            ),
        ));
    }
    let to_error = |error| failed(&reader.path, &format!("reading table `{}`", mapping.table.name), error);
    let observed = observed_forms(&reader.connection, mapping).map_err(to_error)?;
    let sampled = key_condition(mapping, key, &observed, UuidComparison::KnownForms);
    let query = format!("SELECT 1 FROM main.{} WHERE {}", quoted(&mapping.table.name), sampled.0);
    let found = reader
        .connection
        .prepare(&query)
        .and_then(|mut statement| statement.exists(rusqlite::params_from_iter(&sampled.1)));
    if found.map_err(to_error)? {
        return Ok(sampled);
    }
    // The row may have a form that the sample does not contain, so the forms of all rows are read.
    let forms = key_forms(&reader.connection, mapping).map_err(to_error)?;
    if forms.iter().all(Option::is_none) {
        return Ok(sampled);
    }
    let mut observed: Vec<Vec<Form>> = vec![Vec::new(); mapping.columns.len()];
    for (&index, forms) in mapping.key.iter().zip(&forms) {
        observed[index].extend(forms.iter().flat_map(KeyForms::forms));
    }
    let comparison = match forms.iter().flatten().any(|forms| forms.has_irregular_values) {
        true => UuidComparison::Lenient,
        false => UuidComparison::KnownForms,
    };
    Ok(key_condition(mapping, key, &observed, comparison))
}

/// Returns the condition that finds a key in one of these forms or in the default form.
fn key_condition(
    mapping: &Mapping,
    key: &[Value<'static>],
    observed: &[Vec<Form>],
    comparison: UuidComparison,
) -> RowCondition {
    let mut conditions = Vec::new();
    let mut parameters = Vec::new();
    for (&index, value) in mapping.key.iter().zip(key) {
        let column = quoted(&mapping.columns[index].column.name);
        let column_type = mapping.columns[index].column_type;
        let forms = observed[index].iter().copied().chain([column_type.default]);
        let mut stored: Vec<Stored<'static>> = Vec::new();
        for form in forms {
            match column_type.store(value, form) {
                Ok(candidate) if !stored.contains(&candidate) => stored.push(candidate.into_owned()),
                // A value that cannot be stored in the column does not occur in it.
                Ok(_) | Err(_) => {}
            }
        }
        let mut alternatives: Vec<_> = stored.iter().map(|_| format!("{column} IS ?")).collect();
        if let (UuidComparison::Lenient, Value::Uuid(bytes)) = (comparison, value) {
            alternatives.push(format!(
                "(typeof({column}) = 'text' AND replace(replace(replace(replace(lower({column}), \
                 'urn:uuid:', ''), '-', ''), '{{', ''), '}}', '') = ?)"
            ));
            stored.push(Stored::Text(Cow::Owned(UuidStyle::Simple.write(*bytes))));
        }
        conditions.push(if alternatives.is_empty() {
            "0".to_owned()
        } else {
            format!("({})", alternatives.join(" OR "))
        });
        parameters.extend(stored);
    }
    (conditions.join(" AND "), parameters)
}

/// Returns the key of a stored row as text, for example `id=7`.
fn stored_key_text<'r>(
    entity: &EntityCodec,
    mapping: &Mapping,
    get: impl Fn(usize) -> rusqlite::Result<ValueRef<'r>>,
) -> String {
    let part = |&index: &usize| {
        let value = match get(index) {
            Ok(ValueRef::Integer(integer)) => Value::I64(integer),
            Ok(ValueRef::Real(real)) => Value::F64(real),
            Ok(ValueRef::Text(text)) => Value::Str(String::from_utf8_lossy(text)),
            Ok(ValueRef::Blob(blob)) => Value::Bytes(Cow::Borrowed(blob)),
            Ok(ValueRef::Null) | Err(_) => Value::Null,
        };
        (mapping.columns[index].column.name.as_str(), value)
    };
    let parts: Vec<_> = mapping.key.iter().map(part).collect();
    entity.key_text(parts.iter().map(|(name, value)| (*name, value)))
}
