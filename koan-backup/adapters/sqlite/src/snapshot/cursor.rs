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
use super::super::mapping::Mapping;
use super::super::observed_encoding::{KeyForms, key_forms, observed_forms};
use super::super::thread::JobStatus;
use super::super::unwritable;
use super::access::{Access, equality};
use super::duplicates::{self, LastKey};
use super::physical::{self, ColumnReport};
use super::reader::Reader;
use koan_backup_sql::content::Content;
use koan_backup_sql::conversion_error::ConversionError;
use koan_backup_sql::field_kind::FieldKind;
use koan_backup_sql::identifier::quoted;

/// Reads the values of one column and records their forms.
struct ColumnReader {
    column_type: ColumnType,
    forms: FormRecorder,
    /// The number of values that cannot be written back byte for byte.
    inexact: u64,
    /// Whether a value in another form would be a different row.
    requires_exact_form: bool,
}

impl ColumnReader {
    #[inline]
    fn read<'a>(&mut self, stored: ValueRef<'a>) -> Result<Value<'a>, ConversionError> {
        if stored == ValueRef::Null {
            match self.column_type.kind {
                // JSON `null` is also a missing value, in another form.
                FieldKind::Structure | FieldKind::Json => self.forms.value(Form::stored_as(SQL_NULL)),
                _ => self.forms.null(),
            }
            return Ok(Value::Null);
        }
        let (value, form) = self.column_type.read(stored)?;
        match form {
            Some(form) => self.forms.value(form),
            None if self.requires_exact_form
                && !matches!(stored, ValueRef::Integer(_) | ValueRef::Real(_)) =>
            {
                return Err(ConversionError::new(
                    "holds a value of the key in a form that cannot be written back as it is, because of \
                     white space, superfluous digits or letter case, so a restored record would not find its \
                     row; write it in the usual form",
                ));
            }
            None => {
                // The sink counts integers that a float cannot hold exactly, because it sees the value of the
                // type.
                let is_float = matches!(self.column_type.kind, FieldKind::Float32 | FieldKind::Float64);
                if !(is_float && matches!(value, Value::I64(_))) {
                    self.inexact += 1;
                }
                self.forms.null();
            }
        }
        Ok(value)
    }
}

/// Reads the requested records into the sink.
pub(super) fn read(
    reader: &Reader,
    request: &ReadRequest,
    mut sink: RecordSink,
    status: &JobStatus,
) -> Result<ReadSummary> {
    let entity = &request.entity;
    let mapping = Mapping::find(&reader.catalog, entity, &request.set)?;
    mapping.check(entity)?;
    let to_error = |error| failed(&reader.path, &format!("reading table `{}`", mapping.table.name), error);
    let equality = equality(reader, &reader.collations, &mapping).map_err(to_error)?;
    let mut access =
        Access::of(&reader.connection, &reader.collations, &mapping, &equality).map_err(to_error)?;
    let columns = || mapping.columns.iter().map(|mapped| mapped.column.name.as_str());
    let (query, parameters) = match &request.key {
        Some(key) => {
            let (condition, parameters) = find_key_condition(reader, entity, &mapping, key)?;
            (select_one(&mapping, &condition), parameters)
        }
        None => (access.select(columns()), Vec::new()),
    };
    let (projection, mut readers) = column_readers(entity, &mapping, request.key.is_none());
    if readers.iter().any(|column_reader| column_reader.column_type.kind.is_json()) {
        sink.watch_json_text();
    }
    let refused = |error| match unwritable::unreadable(&reader.connection, &mapping) {
        Some(text) if is_refused_statement(&error) => Error::with_source(ErrorKind::Unsupported, text, error),
        _ => to_error(error),
    };
    let mut statement = reader.connection.prepare(&query).map_err(refused)?;
    let mut rows = statement.query(rusqlite::params_from_iter(parameters)).map_err(to_error)?;
    let mut spare: Vec<Value<'static>> = Vec::with_capacity(readers.len());
    let mut last_key = LastKey::new(&equality);
    while let Some(row) = rows.next().map_err(to_error)? {
        let get = |index| row.get_ref(index);
        let mut values = recycled(spare);
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
            access.record(readers.len(), &mapping.key, get).map_err(to_error)?;
            if last_key.repeats(&mapping.key, get).map_err(to_error)? {
                return Err(duplicates::duplicate_key_error(
                    entity,
                    &mapping,
                    &stored_key_text(entity, &mapping, get),
                ));
            }
        }
        let flow = sink.push(&Row { projection: &projection, values: &values })?;
        spare = recycled(values);
        if flow == Flow::Flush {
            status.check()?;
            sink.flush_blocking()?;
        }
    }
    drop(rows);
    if request.key.is_some() {
        return sink.finish_blocking();
    }
    let mut warnings = access.check(reader)?;
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
    if let Some(collation) = equality.unknown() {
        warnings.push(format!(
            "the key of table `{}` uses the collation `{collation}`, which is not defined here, so it was \
             not checked whether rows have equal keys; define it with `Sqlite::options(…).collation`",
            mapping.table.name
        ));
    }
    let mut summary = sink.finish_blocking()?;
    summary.warnings.extend(warnings);
    physical::report(reader, entity, &mapping, columns, &mut summary)?;
    Ok(summary)
}

fn select_one(mapping: &Mapping, condition: &str) -> String {
    let columns: Vec<String> = mapping.columns.iter().map(|mapped| quoted(&mapped.column.name)).collect();
    format!("SELECT {} FROM main.{} WHERE {condition}", columns.join(", "), quoted(&mapping.table.name))
}

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
        let column_type = mapped.column_type(entity);
        readers.push(ColumnReader {
            column_type,
            forms: FormRecorder::new(column_type.default),
            inexact: 0,
            requires_exact_form: is_backup && mapping.key.contains(&index),
        });
    }
    (projection, readers)
}

/// Reuses the allocation of a vector for values with another lifetime: collecting an emptied vector keeps its
/// allocation.
fn recycled<'b>(mut values: Vec<Value<'_>>) -> Vec<Value<'b>> {
    values.clear();
    values.into_iter().map(|_| Value::Null).collect()
}

/// A condition that finds rows, and its parameters.
type Condition = (String, Vec<Stored<'static>>);

/// How the letters of a UUID are compared.
#[derive(Clone, Copy)]
enum Letters {
    AsWritten,
    OfAnyCase,
}

/// Returns the condition that finds the record of a key, in whichever form it is stored.
fn find_key_condition(
    reader: &Reader,
    entity: &EntityCodec,
    mapping: &Mapping,
    key: &[Value<'static>],
) -> Result<Condition> {
    if mapping.key.len() != key.len() {
        return Err(Error::new(
            ErrorKind::Record,
            format!("the key of {} has {} parts, not {}", entity.name(), mapping.key.len(), key.len()),
        ));
    }
    let to_error = |error| failed(&reader.path, &format!("reading table `{}`", mapping.table.name), error);
    let observed = observed_forms(&reader.connection, entity, mapping).map_err(to_error)?;
    let usual = key_condition(entity, mapping, key, &observed, Letters::AsWritten);
    let query = format!("SELECT 1 FROM main.{} WHERE {}", quoted(&mapping.table.name), usual.0);
    let found = reader
        .connection
        .prepare(&query)
        .and_then(|mut statement| statement.exists(rusqlite::params_from_iter(&usual.1)));
    if found.map_err(to_error)? {
        return Ok(usual);
    }
    // The sample did not contain the form of this key, so all rows are read.
    let forms = key_forms(&reader.connection, entity, mapping).map_err(to_error)?;
    if forms.iter().all(Option::is_none) {
        return Ok(usual);
    }
    let mut observed: Vec<Vec<Form>> = vec![Vec::new(); mapping.columns.len()];
    for (&index, forms) in mapping.key.iter().zip(&forms) {
        observed[index].extend(forms.iter().flat_map(KeyForms::forms));
    }
    let letters = match forms.iter().flatten().any(|forms| forms.has_irregular) {
        true => Letters::OfAnyCase,
        false => Letters::AsWritten,
    };
    Ok(key_condition(entity, mapping, key, &observed, letters))
}

/// Returns the condition that finds a key in one of these forms or in the default form.
fn key_condition(
    entity: &EntityCodec,
    mapping: &Mapping,
    key: &[Value<'static>],
    observed: &[Vec<Form>],
    letters: Letters,
) -> Condition {
    let mut conditions = Vec::new();
    let mut parameters = Vec::new();
    for (&index, value) in mapping.key.iter().zip(key) {
        let column = quoted(&mapping.columns[index].column.name);
        let column_type = mapping.columns[index].column_type(entity);
        let forms = observed[index].iter().copied().chain([column_type.default]);
        let mut stored: Vec<Stored<'static>> = Vec::new();
        for form in forms {
            match column_type.store(value, form) {
                Ok(one) if !stored.contains(&one) => stored.push(one.into_owned()),
                // A value that the column cannot hold does not occur in it.
                Ok(_) | Err(_) => {}
            }
        }
        let mut options: Vec<_> = stored.iter().map(|_| format!("{column} IS ?")).collect();
        if let (Letters::OfAnyCase, Value::Uuid(bytes)) = (letters, value) {
            options.push(format!(
                "(typeof({column}) = 'text' AND replace(replace(replace(replace(lower({column}), \
                 'urn:uuid:', ''), '-', ''), '{{', ''), '}}', '') = ?)"
            ));
            stored.push(Stored::Text(Cow::Owned(UuidStyle::Simple.write(*bytes))));
        }
        conditions.push(if options.is_empty() {
            "0".to_owned()
        } else {
            format!("({})", options.join(" OR "))
        });
        parameters.extend(stored);
    }
    (conditions.join(" AND "), parameters)
}

/// Returns the key of a stored row as text: `id=7`.
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
