//! The target of a restore: its columns, and how a record is encoded for them.

use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::{EntityCodec, Row},
    provider::{RecordEncoder, RestoreTarget},
    value::Value,
};
use serde::Deserialize as _;
use tokio_postgres::types::Oid;

use super::super::catalog::Identity;
use super::super::connection::Connection;
use super::super::defaults::{self, ColumnDefault, IsolatedQueries, TransactionState};
use super::super::derived::{self, RecomputedColumn};
use super::super::insert_only;
use super::super::mapping::{MappedColumn, Mapping};
use super::super::null_form::NullFormsByPosition;
use super::super::physical::PhysicalForm;
use super::equality::KeyEquality;
use super::extent::Extent;
use super::target_column::{CopyFormat, TargetColumn};
use koan_backup_sql::content::Content;
use koan_backup_sql::conversion_error::ConversionError;
use koan_backup_sql::identifier::{folded, quoted, quoted_list};

/// An entity's table, with the properties that are needed to write records to it.
#[derive(Debug)]
pub(in super::super) struct Target {
    pub(super) entity: EntityCodec,
    /// The target as it was requested, without its physical form.
    pub(super) request: RestoreTarget,
    pub(super) mapping: Mapping,
    /// The columns that are written: all columns of the mapping except generated columns.
    pub(super) columns: Vec<TargetColumn>,
    /// The key, as indexes into `columns`.
    pub(super) key: Vec<usize>,
    /// How the database compares each key column.
    pub(super) equality: Vec<KeyEquality>,
    /// The tables that are restored earlier in the same session.
    pub(super) earlier_tables: Vec<Oid>,
    /// Columns without a field that are computed from written columns.
    pub(super) recomputed: Vec<RecomputedColumn>,
    /// Generated columns, each with its expression.
    generated: Vec<(String, String)>,
    /// The values that new rows get in columns without a field, if a dry run has evaluated them.
    pub(super) defaults: Vec<ColumnDefault>,
    /// The generated columns that can be computed from the known values of a written row.
    known_generated: Vec<(String, String)>,
    /// Publications because of which the server refuses to update or delete existing rows.
    pub(super) refusing_publications: Vec<String>,
    /// The format of COPY in which records are sent.
    pub(super) copy_format: CopyFormat,
    /// The fields without a column. A record with a value in such a field is refused.
    without_column: Vec<usize>,
}

impl Target {
    pub(in super::super) fn new(mut request: RestoreTarget, mapping: Mapping) -> Result<Self> {
        let entity = request.entity.clone();
        mapping.check(&entity)?;
        let physical = match request.physical.take() {
            None => PhysicalForm::default(),
            Some(json) => PhysicalForm::deserialize(&json).map_err(|_| unknown_form(&entity))?,
        };
        let (mut columns, mut key) = (Vec::with_capacity(mapping.columns.len()), Vec::new());
        for (index, mapped) in mapping.columns.iter().enumerate() {
            let is_key = mapping.key.contains(&index);
            if mapped.column.generated && is_key {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "key column `{}` of {} is computed by PostgreSQL, so no record can be written; declare \
                         another key for the entity",
                        mapped.column.name,
                        entity.name()
                    ),
                ));
            }
            if mapped.column.generated {
                continue;
            }
            if is_key {
                key.push(columns.len());
            }
            columns.push(TargetColumn {
                name: mapped.column.name.clone(),
                nulls: nulls(&entity, mapped, &physical)?,
                column_type: mapped.column_type.clone(),
                declared: mapped.column.declared.clone(),
                not_null: mapped.column.not_null,
                identity: mapped.column.identity,
                content: mapped.content,
            });
        }
        let fields = &entity.schema().fields;
        let had_no_column = |field: &usize| physical.fields_without_column.contains(&fields[*field].name);
        let without_column =
            mapping.unmapped_fields.iter().copied().filter(|field| !had_no_column(field)).collect();
        let is_binary = columns.iter().all(|column| column.column_type.is_sent_binary());
        let copy_format = if is_binary { CopyFormat::Binary } else { CopyFormat::Text };
        let equality = vec![KeyEquality::default(); key.len()];
        Ok(Self {
            entity,
            request,
            mapping,
            columns,
            key,
            equality,
            earlier_tables: Vec::new(),
            recomputed: Vec::new(),
            generated: Vec::new(),
            defaults: Vec::new(),
            known_generated: Vec::new(),
            refusing_publications: Vec::new(),
            copy_format,
            without_column,
        })
    }

    pub(super) fn key_columns(&self) -> impl Iterator<Item = &TargetColumn> {
        self.key.iter().map(|&column| &self.columns[column])
    }

    /// Returns the GENERATED ALWAYS identity columns that must be altered before their rows can be updated.
    pub(super) fn updated_identity_columns(&self, extent: Extent) -> impl Iterator<Item = &TargetColumn> {
        let columns = self.columns.iter().enumerate();
        let identities = columns.filter(move |(index, column)| {
            column.identity == Identity::Always && !self.key.contains(index) && extent.updates
        });
        identities.map(|(_, column)| column)
    }

    /// Returns why the rows of a table of another role cannot be updated, or `None` if no column prevents it.
    pub(in super::super) fn refusing_identity(&self, extent: Extent) -> Option<String> {
        let table = &self.mapping.table;
        let column = self.updated_identity_columns(extent).next().filter(|_| !table.is_owned)?;
        Some(format!(
            "column `{}` of table `{}` is GENERATED ALWAYS AS IDENTITY, so an UPDATE of it requires the owner \
             of the table; restore as the owner, or with `replace_existing`",
            column.name, table.display_name
        ))
    }

    /// Returns the names of all columns as a list in SQL.
    pub(super) fn column_list(&self) -> String {
        quoted_list(self.columns.iter().map(|column| column.name.as_str()))
    }

    /// Returns the names of the key columns as a list in SQL.
    pub(super) fn key_list(&self) -> String {
        quoted_list(self.key_columns().map(|column| column.name.as_str()))
    }

    /// Reads how the database compares the key.
    pub(in super::super) async fn read_equality(&mut self, connection: &Connection) -> Result<()> {
        let key: Vec<&str> = self.key.iter().map(|&column| self.columns[column].name.as_str()).collect();
        self.equality = KeyEquality::read(connection, self.mapping.table.oid, &key).await?;
        Ok(())
    }

    /// Returns a source of rows with the generated columns added. `rows` must contain all other columns.
    pub(super) fn with_generated(&self, rows: String) -> String {
        with_computed(&self.generated, rows)
    }

    /// Returns a source of written rows with the generated columns added that can be computed. `rows` must
    /// contain all other columns whose values are known.
    pub(super) fn with_known_generated(&self, rows: String) -> String {
        match self.mapping.unmapped_columns.is_empty() {
            true => with_computed(&self.generated, rows),
            false => with_computed(&self.known_generated, rows),
        }
    }

    /// Finds the columns that a restore or the database computes.
    pub(in super::super) async fn find_recomputed(&mut self, connection: &Connection) -> Result<()> {
        self.recomputed = derived::recomputed(connection, &self.mapping).await?;
        self.generated = derived::generated(connection, &self.mapping.table).await?;
        Ok(())
    }

    /// Evaluates the values that new rows get in columns without a field, and finds the generated columns
    /// that can be computed from these values. Only a dry run calls this function.
    pub(in super::super) async fn find_defaults(&mut self, connection: &Connection) -> Result<()> {
        let transaction = TransactionState::Open;
        self.defaults = defaults::find(connection, &self.mapping, &self.recomputed, transaction).await?;
        let operation =
            format!("reading the generated columns of table `{}`", self.mapping.table.display_name);
        let sent = self.columns.iter().map(|column| (&column.name, &column.declared));
        let recomputed = self.recomputed.iter().map(|column| (&column.column, &column.declared));
        let others = self.mapping.unmapped_columns.iter().map(|column| (&column.name, &column.declared));
        let known = others.filter(|(name, _)| self.default_of(name).is_some());
        let columns: Vec<String> = sent
            .chain(recomputed)
            .chain(known)
            .map(|(name, declared)| format!("NULL::{declared} AS {}", quoted(name)))
            .collect();
        let isolated = IsolatedQueries { connection, operation: &operation, transaction };
        for (name, expression) in &self.generated {
            let sql = format!(
                "SELECT pg_catalog.count({expression}) FROM (SELECT {}) AS \"koan row\" WHERE false",
                columns.join(", ")
            );
            if isolated.number(&sql).await?.is_ok() {
                self.known_generated.push((name.clone(), expression.clone()));
            }
        }
        Ok(())
    }

    /// Returns the SQL expression of the value that a new row gets in a column without a field, if it is
    /// known.
    pub(super) fn default_of(&self, column: &str) -> Option<String> {
        self.defaults.iter().find(|default| default.column == column)?.value()
    }

    /// Returns the names of all columns that get a value, as a list in SQL: the columns of
    /// [`column_list`](Self::column_list), and the recomputed columns.
    pub(super) fn filled_list(&self) -> String {
        let names = self.columns.iter().map(|column| column.name.as_str());
        quoted_list(names.chain(self.recomputed.iter().map(|recomputed| recomputed.column.as_str())))
    }

    /// Returns the values of the columns of [`filled_list`](Self::filled_list) for a row `s` of a staging
    /// table, as a list in SQL.
    pub(super) fn filled(&self) -> String {
        let sent = self.columns.iter().map(TargetColumn::converted);
        let computed = self.recomputed.iter().map(|recomputed| format!("s.{}", quoted(&recomputed.column)));
        sent.chain(computed).collect::<Vec<_>>().join(", ")
    }

    /// Returns the alias of the row that provides the value of a column without a field when a row `t` is
    /// updated from a row `s` of a staging table.
    pub(super) fn source_of(&self, column: &str) -> &'static str {
        match self.recomputed.iter().any(|recomputed| recomputed.column == column) {
            true => "s",
            false => "t",
        }
    }

    /// Returns the condition that a row `s` of the staging table has the key of a row `t` of the table, by
    /// the key equality of the database.
    pub(super) fn same_key(&self) -> String {
        self.key_condition(TargetColumn::converted)
    }

    /// Returns the condition that a row `s` of a copy of the table has the key of a row `t`.
    pub(super) fn same_key_of_copy(&self) -> String {
        self.key_condition(|column| format!("s.{}", quoted(&column.name)))
    }

    fn key_condition(&self, sent: impl Fn(&TargetColumn) -> String) -> String {
        let term = |(column, equality): (&TargetColumn, &KeyEquality)| {
            let (existing, sent) = (format!("t.{}", quoted(&column.name)), sent(column));
            let equal = equality.condition(&existing, &sent);
            match column.not_null {
                true => equal,
                // `num_nulls` is used because `IS NULL` is also true for a composite value whose members are
                // all NULL.
                false => format!("({equal} OR pg_catalog.num_nulls({existing}, {sent}) = 2)"),
            }
        };
        let terms: Vec<String> = self.key_columns().zip(&self.equality).map(term).collect();
        if terms.is_empty() { "false".to_owned() } else { terms.join(" AND ") }
    }

    /// Returns the expressions by which GROUP BY groups rows with the same key.
    pub(super) fn grouped_key(&self) -> String {
        let grouped =
            |(column, equality): (&TargetColumn, &KeyEquality)| equality.grouped(&quoted(&column.name));
        self.key_columns().zip(&self.equality).map(grouped).collect::<Vec<_>>().join(", ")
    }

    /// Returns whether keys that the database considers equal are always identical.
    pub(super) fn has_exact_key(&self) -> bool {
        self.equality.iter().all(|equality| equality.is_exact)
    }

    /// Returns whether overwriting an existing row may change its value in a column.
    pub(super) fn may_change(&self, column: &str) -> bool {
        let mut key = self.key_columns().zip(&self.equality);
        !key.any(|(key, equality)| key.name == column && equality.is_exact)
    }

    /// Returns whether a unique index of the table refuses duplicate keys.
    pub(super) fn refuses_duplicate_keys(&self) -> bool {
        self.mapping.table.is_unique_over(self.key_columns().map(|column| column.name.as_str()))
    }

    /// Adds the remedy to the error of an update or delete that is refused because of a publication.
    pub(super) fn explained(&self, error: Error) -> Error {
        insert_only::explained(error, &self.mapping.table, &self.refusing_publications)
    }

    /// Returns whether a column must be converted from the form in which its values are sent.
    pub(super) fn has_conversions(&self) -> bool {
        self.columns.iter().any(TargetColumn::is_composite)
    }

    /// Appends the columns of a record to a COPY, without the framing of the row.
    fn fill(&self, position: u64, record: &Row<'_>, out: &mut Vec<u8>) -> Result<()> {
        let fields = &self.entity.schema().fields;
        if let Some(&field) = self.without_column.iter().find(|&&field| !record.values[field].is_null()) {
            return Err(self.no_column_error(record, &fields[field].name));
        }
        let extras = || record.behind(fields.len());
        let has_column = |name: &str| {
            let mut columns = self.columns.iter().filter(|column| column.content == Content::Extra);
            columns.any(|column| names_match(&column.name, name))
        };
        if let Some((name, _)) = extras().find(|(name, value)| !value.is_null() && !has_column(name)) {
            return Err(self.no_column_error(record, name));
        }
        if self.copy_format == CopyFormat::Binary {
            let count = i16::try_from(self.columns.len()).expect("a table has 1600 columns at most");
            out.extend_from_slice(&count.to_be_bytes());
        }
        for (index, column) in self.columns.iter().enumerate() {
            let value = match column.content {
                Content::Field(field) => &record.values[field],
                Content::Extra => extra(extras(), &column.name),
            };
            let nulls = column.nulls.as_ref().map(|nulls| nulls.at(position));
            let pushed = match (self.copy_format, nulls) {
                (CopyFormat::Binary, None) => column.column_type.push_binary(value, out),
                (CopyFormat::Binary, Some(nulls)) => {
                    column.column_type.push_binary_with_nulls(value, nulls, out)
                }
                (CopyFormat::Text, nulls) => column.push_text(index, value, nulls, out),
            };
            pushed.map_err(|conversion_error| self.conversion_error(record, column, &conversion_error))?;
        }
        if self.copy_format == CopyFormat::Text {
            out.push(b'\n');
        }
        Ok(())
    }

    fn conversion_error(
        &self,
        record: &Row<'_>,
        column: &TargetColumn,
        conversion_error: &ConversionError,
    ) -> Error {
        let (name, key) = (self.entity.name(), self.entity.row_key(record));
        Error::new(ErrorKind::Record, format!("{name} `{key}`: column `{}` {conversion_error}", column.name))
    }

    fn no_column_error(&self, record: &Row<'_>, field: &str) -> Error {
        let (name, key, table) =
            (self.entity.name(), self.entity.row_key(record), &self.mapping.table.display_name);
        let field = self.entity.message_name(field);
        Error::new(
            ErrorKind::Record,
            format!(
                "{name} `{key}`: field `{field}` has a value, but table `{table}` has no column for the \
                 field; add the column"
            ),
        )
    }

    /// Returns the error for a record whose key already exists.
    pub(super) fn already_exists_error(&self, key: &str) -> Error {
        let name = self.entity.name();
        let text = format!(
            "{name} `{key}` exists already; restore with `overwrite` or `keep`, or remove the row first"
        );
        Error::new(ErrorKind::Conflict, text)
    }

    /// Returns the error for records whose keys the database considers equal.
    pub(super) fn duplicate_key_error(&self, keys: &[String]) -> Error {
        duplicate_key_error(&self.entity, &self.mapping.table.display_name, keys)
    }
}

fn with_computed(computed: &[(String, String)], rows: String) -> String {
    if computed.is_empty() {
        return rows;
    }
    let computed = computed.iter().map(|(name, expression)| format!("{expression} AS {}", quoted(name)));
    format!("(SELECT x.*, {} FROM {rows} AS x)", computed.collect::<Vec<_>>().join(", "))
}

/// Returns the error for records of an archive whose keys a table considers equal.
pub(super) fn duplicate_key_error(entity: &EntityCodec, table: &str, keys: &[String]) -> Error {
    let name = entity.name();
    let text = match keys {
        [one, other, ..] if one != other => {
            let (one, other) = if one < other { (one, other) } else { (other, one) };
            format!(
                "the archive contains {name} `{one}` and `{other}`, whose keys table `{table}` considers to be \
                 equal; restore into a table that distinguishes these keys, or correct one of the records in the \
                 database that was backed up"
            )
        }
        _ => {
            let key = keys.first().map_or("", String::as_str);
            format!(
                "{name} `{key}` has a duplicate key in the archive, because table `{table}` considers the keys \
                 of two records to be equal; correct one of the records in the database that was backed up"
            )
        }
    };
    Error::new(ErrorKind::Constraint, text)
}

/// Returns which `null`s of a column are JSON `null`, according to the physical form in the archive. In a NOT
/// NULL column, every `null` is JSON `null`.
fn nulls(
    entity: &EntityCodec,
    mapped: &MappedColumn,
    physical: &PhysicalForm,
) -> Result<Option<NullFormsByPosition>> {
    if !mapped.column_type.has_json_nulls() {
        return Ok(None);
    }
    let name = mapped.field_name(entity);
    let is_json = mapped.column_type.reads_json_null_as_null()
        && (mapped.column.not_null || physical.json_null.iter().any(|field| field == name));
    if is_json {
        return Ok(Some(NullFormsByPosition::json_null()));
    }
    let Some(recorded) = physical.null_forms.get(name) else { return Ok(None) };
    NullFormsByPosition::parse(recorded).map(Some).ok_or_else(|| unknown_form(entity))
}

/// Returns the error for a physical form in an archive that this version does not know.
fn unknown_form(entity: &EntityCodec) -> Error {
    Error::new(
        ErrorKind::Incompatible,
        format!(
            "the archive records a physical form of {} that this version of koan-backup does not know; restore \
             the backup with the version that wrote it",
            entity.name()
        ),
    )
}

impl RecordEncoder for Target {
    fn encode(&self, position: u64, record: &Row<'_>, out: &mut Vec<u8>) -> Result<()> {
        self.fill(position, record, out)
    }
}

/// Returns the value of a flattened map for a column. An exact name is preferred.
fn extra<'r>(
    mut extras: impl Iterator<Item = (&'r str, &'r Value<'r>)> + Clone,
    column: &str,
) -> &'r Value<'r> {
    let mut all = extras.clone();
    let exact = extras.find(|(name, _)| *name == column);
    let found = exact.or_else(|| all.find(|(name, _)| names_match(column, name)));
    found.map_or(&Value::Null, |(_, value)| value)
}

/// Returns whether the names of a column and of a map's entry are equal, apart from case and underscores.
fn names_match(column: &str, name: &str) -> bool {
    column == name || folded(column) == folded(name)
}
