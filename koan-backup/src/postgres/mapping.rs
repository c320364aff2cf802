//! Which table an entity is in, and which column each field.

mod sets;

use koan_backup_core::{EntityCodec, Error, ErrorKind, FieldSchema, Result, SetName};

use super::catalog::{Catalog, Column, Table, TableKind};
use super::column_type::{ColumnType, Kind};
use super::identifier::{folded, listed};

pub(super) use sets::{named_sets, root_twin};

/// An entity and its table, side by side.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) table: Table,
    /// Columns that hold something of the entity, fields in their order first.
    pub(super) places: Vec<Place>,
    /// Columns that are in no field; those that PostgreSQL computes are not counted.
    pub(super) unmapped_columns: Vec<Column>,
    /// The places of the key fields, as indexes into `places`.
    pub(super) key: Vec<usize>,
    /// Indexes of fields that have no column.
    pub(super) unmapped_fields: Vec<usize>,
    /// Columns whose type cannot be that of their field, and why.
    unfit: Vec<String>,
}

/// A column and what of the entity is in it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) column: Column,
    pub(super) content: Content,
    pub(super) column_type: ColumnType,
}

/// What of an entity a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// The field of that index.
    Field(usize),
    /// What a flattened map takes up under the column's name.
    Extra,
}

impl Mapping {
    /// Finds the table of a set of an entity and matches its columns.
    pub(super) fn find(catalog: &Catalog, entity: &EntityCodec, set: &SetName) -> Result<Self> {
        let root = find_table(catalog, entity)?;
        let table = if set.is_root() { root } else { sets::find(catalog, entity, root, set)? };
        Self::of_table(table, entity)
    }

    /// Matches the columns of a table.
    pub(super) fn of_table(table: &Table, entity: &EntityCodec) -> Result<Self> {
        let fields = &entity.schema().fields;
        let mut taken: Vec<Option<usize>> = vec![None; table.columns.len()];
        // Names that are exact go first, so that no other field can take their columns.
        for (index, field) in fields.iter().enumerate() {
            if let Some(column) = exact(table, entity, field)? {
                if let Some(other) = taken[column] {
                    return Err(shared(entity, table, column, &fields[other], field));
                }
                taken[column] = Some(index);
            }
        }
        for (index, field) in fields.iter().enumerate() {
            if field.column.is_some() || taken.contains(&Some(index)) {
                continue;
            }
            let wanted = folded(&field.name);
            let free = (0..taken.len())
                .filter(|&column| taken[column].is_none_or(|other| !is_exact(table, column, &fields[other])));
            let found: Vec<usize> =
                free.filter(|&column| folded(&table.columns[column].name) == wanted).collect();
            match found.as_slice() {
                [] => {}
                [column] => {
                    if let Some(other) = taken[*column] {
                        return Err(shared(entity, table, *column, &fields[other], field));
                    }
                    taken[*column] = Some(index);
                }
                several => return Err(ambiguous_column(entity, table, field, several)),
            }
        }
        Ok(Self::from_matches(table, entity, &taken))
    }

    fn from_matches(table: &Table, entity: &EntityCodec, taken: &[Option<usize>]) -> Self {
        let schema = entity.schema();
        let (mut places, mut unmapped_fields, mut unfit) = (Vec::new(), Vec::new(), Vec::new());
        for (index, field) in schema.fields.iter().enumerate() {
            let Some(column) = taken.iter().position(|&taken| taken == Some(index)) else {
                unmapped_fields.push(index);
                continue;
            };
            let column = table.columns[column].clone();
            match ColumnType::of_field(field, &column) {
                Some(column_type) => {
                    places.push(Place { column, content: Content::Field(index), column_type });
                }
                None => unfit.push(unfit_type(table, &column, field)),
            }
        }
        let rest =
            table.columns.iter().zip(taken).filter(|(column, field)| field.is_none() && !column.generated);
        let rest = rest.map(|(column, _)| column.clone());
        let mut unmapped_columns = Vec::new();
        for column in rest {
            match ColumnType::extra(&column).filter(|_| schema.open) {
                Some(column_type) => places.push(Place { column, content: Content::Extra, column_type }),
                None => unmapped_columns.push(column),
            }
        }
        let is_key =
            |place: &Place| matches!(place.content, Content::Field(index) if schema.fields[index].key);
        let key = (0..places.len()).filter(|&place| is_key(&places[place])).collect();
        Self { table: table.clone(), places, key, unmapped_columns, unmapped_fields, unfit }
    }

    /// Why records cannot be read or written, if that is so: a field that must have a column has none, or a column is of
    /// a type that its field is not.
    pub(super) fn problem(&self, entity: &EntityCodec) -> Option<String> {
        let fields = &entity.schema().fields;
        let missing = |index: &&usize| fields[**index].required || fields[**index].key;
        let missing: Vec<_> =
            self.unmapped_fields.iter().filter(missing).map(|&i| fields[i].name.as_str()).collect();
        let mut problems = self.unfit.clone();
        if !missing.is_empty() {
            problems.push(format!(
                "table `{}` has no column for {} {}; add the column, name it with #[entity(column = \"…\")], or give \
                 the field #[serde(default)]",
                self.table.shown,
                if missing.len() == 1 { "field" } else { "fields" },
                listed(missing),
            ));
        }
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    /// [`problem`](Self::problem) as an error.
    pub(super) fn check(&self, entity: &EntityCodec) -> Result<()> {
        match self.problem(entity) {
            None => Ok(()),
            Some(problem) => Err(Error::new(
                ErrorKind::Incompatible,
                format!("{} cannot be in this database: {problem}", entity.name()),
            )),
        }
    }

    /// The columns of the key.
    pub(super) fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().map(|&place| &self.places[place].column)
    }
}

/// The table of the default set.
pub(super) fn find_table<'c>(catalog: &'c Catalog, entity: &EntityCodec) -> Result<&'c Table> {
    let descriptor = entity.descriptor();
    let wanted = descriptor.table().unwrap_or(entity.name());
    let named = |matches: &dyn Fn(&str) -> bool| {
        let mut found: Vec<&Table> = catalog.visible().filter(|table| matches(&table.name)).collect();
        // The first schema that has one hides those behind it.
        if let Some(schema) = found.first().map(|table| table.schema.clone()) {
            found.retain(|table| table.schema == schema);
        }
        found
    };
    let mut found = named(&|name| name == wanted);
    if let (true, Some((schema, name))) = (found.is_empty(), wanted.split_once('.')) {
        found = catalog.tables.iter().filter(|table| table.schema == schema && table.name == name).collect();
    }
    if found.is_empty() && descriptor.table().is_some() {
        // PostgreSQL makes names that are not quoted lower-case.
        found = named(&|name| name.eq_ignore_ascii_case(wanted));
    } else if found.is_empty() {
        found = named(&|name| folded(name) == folded(wanted));
    }
    match found.as_slice() {
        [table] if table.is_table() => Ok(table),
        [table] => Err(not_a_table(entity, table)),
        [] => Err(no_table(catalog, entity, wanted)),
        several => Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "{} could be in each of the tables {}; say which with #[entity(table = \"…\")]",
                entity.name(),
                listed(several.iter().map(|table| table.shown.as_str())),
            ),
        )),
    }
}

/// The table that a set of the entity in `root` is in.
pub(super) fn set_table(root: &str, set: &SetName) -> String {
    if set.is_root() { root.to_owned() } else { format!("{root}#{set}") }
}

fn exact(table: &Table, entity: &EntityCodec, field: &FieldSchema) -> Result<Option<usize>> {
    let wanted = field.column.as_deref().unwrap_or(&field.name);
    let position =
        |matches: &dyn Fn(&str) -> bool| table.columns.iter().position(|column| matches(&column.name));
    let found = position(&|name| name == wanted);
    match (&field.column, found) {
        (None, found) | (Some(_), found @ Some(_)) => Ok(found),
        (Some(column), None) => {
            position(&|name| name.eq_ignore_ascii_case(column)).map(Some).ok_or_else(|| {
                Error::new(
                    ErrorKind::Configuration,
                    format!(
                        "field `{}` of {} names column `{column}`, which table `{}` does not have; it has {}",
                        field.name,
                        entity.name(),
                        table.shown,
                        listed(table.columns.iter().map(|column| column.name.as_str())),
                    ),
                )
            })
        }
    }
}

fn is_exact(table: &Table, column: usize, field: &FieldSchema) -> bool {
    field.column.is_some() || table.columns[column].name == field.name
}

fn unfit_type(table: &Table, column: &Column, field: &FieldSchema) -> String {
    let kind = Kind::of(field);
    format!(
        "column `{}` of table `{}` is of type `{}`, which field `{}` ({}, as its type says) cannot be read from; make the \
         column {}, or change the type of the field",
        column.name,
        table.shown,
        column.declared,
        field.name,
        kind.noun(),
        kind.remedy(),
    )
}

fn shared(
    entity: &EntityCodec,
    table: &Table,
    column: usize,
    one: &FieldSchema,
    other: &FieldSchema,
) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!(
            "fields `{}` and `{}` of {} both match column `{}` of table `{}`; name their columns with \
             #[entity(column = \"…\")]",
            one.name,
            other.name,
            entity.name(),
            table.columns[column].name,
            table.shown,
        ),
    )
}

fn ambiguous_column(entity: &EntityCodec, table: &Table, field: &FieldSchema, columns: &[usize]) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!(
            "field `{}` of {} could be in each of the columns {} of table `{}`; say which with \
             #[entity(column = \"…\")]",
            field.name,
            entity.name(),
            listed(columns.iter().map(|&column| table.columns[column].name.as_str())),
            table.shown,
        ),
    )
}

fn not_a_table(entity: &EntityCodec, table: &Table) -> Error {
    let what = match table.kind {
        TableKind::View => "a view",
        TableKind::MaterializedView => "a materialized view",
        _ => "a table of another server",
    };
    Error::new(
        ErrorKind::Configuration,
        format!(
            "{} would be in `{}`, which is {what}; name a table with #[entity(table = \"…\")], or exclude the entity with \
             #[entity_backup(enabled = false, reason = \"…\")]",
            entity.name(),
            table.shown,
        ),
    )
}

fn no_table(catalog: &Catalog, entity: &EntityCodec, wanted: &str) -> Error {
    let near = catalog
        .visible()
        .find(|table| is_near(&table.name, wanted))
        .or_else(|| catalog.tables.iter().find(|table| table.name == wanted || is_near(&table.name, wanted)));
    let remedy = match near {
        Some(table) => format!("did you mean #[entity(table = \"{}\")]?", table.shown.escape_debug()),
        None => "make the table, or say which it is with #[entity(table = \"…\")]".to_owned(),
    };
    let schemas = listed(catalog.schemas.iter().map(String::as_str));
    let looked = if entity.descriptor().table().is_some() {
        format!("there is no table `{wanted}`")
    } else {
        format!("there is no table `{wanted}`, nor one that differs from it in case and underscores only")
    };
    Error::new(
        ErrorKind::NotFound,
        format!(
            "{} is not in this database: {looked}, in the schemas looked in, which are {schemas}; {remedy}",
            entity.name()
        ),
    )
}

/// Singular and plural are near.
fn is_near(name: &str, wanted: &str) -> bool {
    let (name, wanted) = (folded(name), folded(wanted));
    let plural_of = |plural: &str, singular: &str| {
        plural.strip_suffix('s') == Some(singular)
            || plural.strip_suffix("es") == Some(singular)
            || plural.strip_suffix("ies").is_some_and(|stem| singular.strip_suffix('y') == Some(stem))
    };
    name == wanted || plural_of(&name, &wanted) || plural_of(&wanted, &name)
}
