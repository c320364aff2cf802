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
use super::super::column_type::{ColumnType, Kind};
use super::super::error::failed;
use super::super::form::{Form, FormRecorder, SQL_NULL, UuidStyle};
use super::super::observed_encoding::{KeyForms, habits, key_forms};
use super::super::mapping::{Content, Mapping, Place};
use super::super::read::words::write_uuid;
use super::super::thread::Wanted;
use super::Reader;
use super::access::{Access, equality};
use super::duplicates::{self, LastKey};
use super::physical::{self, ColumnReport};
use koan_backup_sql::conversion_error::ConversionError;
use koan_backup_sql::identifier::quoted;

/// A column on its way into a row.
struct Source {
    column_type: ColumnType,
    forms: FormRecorder,
    /// Values that no form writes back byte for byte.
    unfaithful: u64,
    /// Whether another form of a value would be another row.
    is_strict: bool,
}

impl Source {
    #[inline]
    fn read<'a>(&mut self, stored: ValueRef<'a>) -> Result<Value<'a>, ConversionError> {
        if stored == ValueRef::Null {
            match self.column_type.kind {
                // JSON's `null` is no value either, and is written in another form.
                Kind::Json => self.forms.note(Form::plain(SQL_NULL)),
                _ => self.forms.null(),
            }
            return Ok(Value::Null);
        }
        let (value, form) = self.column_type.read(stored)?;
        match form {
            Some(form) => self.forms.note(form),
            None if self.is_strict && !matches!(stored, ValueRef::Integer(_) | ValueRef::Real(_)) => {
                return Err(ConversionError::new(
                    "holds a value of the key in a form that cannot be written back as it is, because of white space, \
                     superfluous digits or letter case, so a restored record would not find its row; write it in the \
                     usual form",
                ));
            }
            None => {
                // An integer that a float cannot hold is told by the sink, which sees what the type makes of it.
                let is_float = matches!(self.column_type.kind, Kind::Float32 | Kind::Float64);
                if !(is_float && matches!(value, Value::I64(_))) {
                    self.unfaithful += 1;
                }
                self.forms.null();
            }
        }
        Ok(value)
    }
}

/// Reads what is asked for into the sink.
pub(super) fn read(
    reader: &Reader,
    request: &ReadRequest,
    mut sink: RecordSink,
    wanted: &Wanted,
) -> Result<ReadSummary> {
    let entity = &request.entity;
    let mapping = Mapping::find(&reader.catalog, entity, &request.set)?;
    mapping.check(entity)?;
    let lost = |error| failed(&reader.path, &format!("reading table `{}`", mapping.table.name), error);
    let equality = equality(reader, &reader.collations, &mapping).map_err(lost)?;
    let mut access = Access::of(&reader.connection, &reader.collations, &mapping, &equality).map_err(lost)?;
    let columns = || mapping.places.iter().map(|place| place.column.name.as_str());
    let (query, parameters) = match &request.key {
        Some(key) => {
            let (condition, parameters) = find_key(reader, entity, &mapping, key)?;
            (select_one(&mapping, &condition), parameters)
        }
        None => (access.select(columns()), Vec::new()),
    };
    let (projection, mut sources) = prepare(entity, &mapping, request.key.is_none());
    if sources.iter().any(|source| source.column_type.kind == Kind::Json) {
        sink.watch_json_text();
    }
    let mut statement = reader.connection.prepare(&query).map_err(lost)?;
    let mut rows = statement.query(rusqlite::params_from_iter(parameters)).map_err(lost)?;
    let mut spare: Vec<Value<'static>> = Vec::with_capacity(sources.len());
    let mut last_key = LastKey::new(&equality);
    while let Some(row) = rows.next().map_err(lost)? {
        let get = |index| row.get_ref(index);
        let mut values = recycled(spare);
        for (index, source) in sources.iter_mut().enumerate() {
            let stored = row.get_ref(index).map_err(lost)?;
            match source.read(stored) {
                Ok(value) => values.push(value),
                Err(conversion_error) => {
                    let key = stored_key_text(entity, &mapping, get);
                    return Err(unreadable(entity, &mapping.places[index], &key, &conversion_error));
                }
            }
        }
        if request.key.is_none() {
            access.note(sources.len(), &mapping.key, get).map_err(lost)?;
            if last_key.repeats(&mapping.key, get).map_err(lost)? {
                return Err(duplicates::equal_keys(
                    entity,
                    &mapping,
                    &stored_key_text(entity, &mapping, get),
                ));
            }
        }
        let flow = sink.push(&Row { projection: &projection, values: &values })?;
        spare = recycled(values);
        if flow == Flow::Flush {
            wanted.check()?;
            sink.flush_blocking()?;
        }
    }
    drop(rows);
    if request.key.is_some() {
        return sink.finish_blocking();
    }
    let mut warnings = access.check(reader)?;
    let columns = mapping.places.iter().zip(sources).map(|(place, source)| ColumnReport {
        name: &place.column.name,
        field: place.field_name(entity),
        forms: source.forms.finish(),
        unfaithful: source.unfaithful,
    });
    let columns: Vec<_> = columns.collect();
    if mapping.key.iter().any(|&place| columns[place].forms.is_of_several()) {
        duplicates::check_all(reader, entity, &mapping)?;
    }
    if let Some(collation) = equality.unknown() {
        warnings.push(format!(
            "the key of table `{}` uses the collation `{collation}`, which is not defined here, so whether it makes two keys \
             one was not checked; define it with `Sqlite::options(…).collation`",
            mapping.table.name
        ));
    }
    let mut summary = sink.finish_blocking()?;
    summary.warnings.extend(warnings);
    physical::describe(reader, entity, &mapping, columns, &mut summary)?;
    Ok(summary)
}

fn select_one(mapping: &Mapping, condition: &str) -> String {
    let columns: Vec<String> = mapping.places.iter().map(|place| quoted(&place.column.name)).collect();
    format!("SELECT {} FROM main.{} WHERE {condition}", columns.join(", "), quoted(&mapping.table.name))
}

fn prepare(entity: &EntityCodec, mapping: &Mapping, is_backup: bool) -> (Projection, Vec<Source>) {
    let mut projection = Projection::new(entity.schema());
    let mut sources = Vec::with_capacity(mapping.places.len());
    for (index, place) in mapping.places.iter().enumerate() {
        match place.content {
            Content::Field(index) => projection.field(&entity.schema().fields[index]),
            Content::Extra => projection.extra(&place.column.name),
        }
        let column_type = place.column_type(entity);
        sources.push(Source {
            column_type,
            forms: FormRecorder::new(column_type.default),
            unfaithful: 0,
            is_strict: is_backup && mapping.key.contains(&index),
        });
    }
    (projection, sources)
}

/// The same allocation for values of another lifetime: collecting an emptied vector keeps it.
fn recycled<'b>(mut values: Vec<Value<'_>>) -> Vec<Value<'b>> {
    values.clear();
    values.into_iter().map(|_| Value::Null).collect()
}

/// What finds rows: a condition and its parameters.
type Condition = (String, Vec<Stored<'static>>);

/// How the letters of a UUID are compared.
#[derive(Clone, Copy)]
enum Letters {
    AsWritten,
    OfAnyCase,
}

/// The condition that finds the record of a key, in whichever form it is.
fn find_key(
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
    let lost = |error| failed(&reader.path, &format!("reading table `{}`", mapping.table.name), error);
    let habits = habits(&reader.connection, entity, mapping).map_err(lost)?;
    let usual = wanted_key(entity, mapping, key, &habits, Letters::AsWritten);
    let query = format!("SELECT 1 FROM main.{} WHERE {}", quoted(&mapping.table.name), usual.0);
    let found = reader
        .connection
        .prepare(&query)
        .and_then(|mut statement| statement.exists(rusqlite::params_from_iter(&usual.1)));
    if found.map_err(lost)? {
        return Ok(usual);
    }
    // The first rows told nothing of its form: all rows do.
    let forms = key_forms(&reader.connection, entity, mapping).map_err(lost)?;
    if forms.iter().all(Option::is_none) {
        return Ok(usual);
    }
    let mut habits: Vec<Vec<Form>> = vec![Vec::new(); mapping.places.len()];
    for (&place, forms) in mapping.key.iter().zip(&forms) {
        habits[place].extend(forms.iter().flat_map(KeyForms::forms));
    }
    let letters = match forms.iter().flatten().any(|forms| forms.has_loose) {
        true => Letters::OfAnyCase,
        false => Letters::AsWritten,
    };
    Ok(wanted_key(entity, mapping, key, &habits, letters))
}

/// The condition that finds the record of a key in one of these forms or the default one.
fn wanted_key(
    entity: &EntityCodec,
    mapping: &Mapping,
    key: &[Value<'static>],
    habits: &[Vec<Form>],
    letters: Letters,
) -> Condition {
    let mut conditions = Vec::new();
    let mut parameters = Vec::new();
    for (&place, value) in mapping.key.iter().zip(key) {
        let column = quoted(&mapping.places[place].column.name);
        let column_type = mapping.places[place].column_type(entity);
        let forms = habits[place].iter().copied().chain([column_type.default]);
        let mut stored: Vec<Stored<'static>> = Vec::new();
        for form in forms {
            match column_type.store(value, form) {
                Ok(one) if !stored.contains(&one) => stored.push(one.into_owned()),
                // What cannot be in the column is not found in it.
                Ok(_) | Err(_) => {}
            }
        }
        let mut options: Vec<_> = stored.iter().map(|_| format!("{column} IS ?")).collect();
        if let (Letters::OfAnyCase, Value::Uuid(bytes)) = (letters, value) {
            options.push(format!(
                "(typeof({column}) = 'text' AND replace(replace(replace(replace(lower({column}), 'urn:uuid:', ''), \
                 '-', ''), '{{', ''), '}}', '') = ?)"
            ));
            stored.push(Stored::Text(Cow::Owned(write_uuid(*bytes, UuidStyle::Simple))));
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

/// The key of a stored row as text: `id=7`.
fn stored_key_text<'r>(
    entity: &EntityCodec,
    mapping: &Mapping,
    get: impl Fn(usize) -> rusqlite::Result<ValueRef<'r>>,
) -> String {
    let part = |&place: &usize| {
        let value = match get(place) {
            Ok(ValueRef::Integer(integer)) => Value::I64(integer),
            Ok(ValueRef::Real(real)) => Value::F64(real),
            Ok(ValueRef::Text(text)) => Value::Str(String::from_utf8_lossy(text)),
            Ok(ValueRef::Blob(blob)) => Value::Bytes(Cow::Borrowed(blob)),
            Ok(ValueRef::Null) | Err(_) => Value::Null,
        };
        (mapping.places[place].column.name.as_str(), value)
    };
    let parts: Vec<_> = mapping.key.iter().map(part).collect();
    entity.key_text(parts.iter().map(|(name, value)| (*name, value)))
}

fn unreadable(entity: &EntityCodec, place: &Place, key: &str, conversion_error: &ConversionError) -> Error {
    let column = &place.column.name;
    let what = match place.content {
        Content::Field(index) if entity.schema().fields[index].name != *column => {
            format!("field `{}`: column `{column}`", entity.schema().fields[index].name)
        }
        _ => format!("column `{column}`"),
    };
    Error::new(ErrorKind::Record, format!("{} `{key}`: {what} {conversion_error}", entity.name()))
}
