//! The structs and enums of the generated module, before they are written.

mod identifier;
mod personal;
mod rust_type;

use std::collections::{BTreeMap, BTreeSet};

use koan_backup_core::provider::{
    ColumnDescription, ColumnFieldType, DatabaseSchema, EnumDescription, TableDescription, folded,
};
use koan_backup_core::schema::LogicalType;

pub(crate) use identifier::raw;
pub(crate) use rust_type::of_field_type;

use crate::options::TimeCrate;
use identifier::{Names, is_named_like_struct};

/// The items of a module.
#[derive(Debug)]
pub(crate) struct ModulePlan {
    pub(crate) structs: Vec<StructPlan>,
    pub(crate) enums: Vec<EnumPlan>,
    /// What no struct can cover, each as a message with the remedy.
    pub(crate) uncovered: Vec<String>,
    /// The crates whose types the fields have, in alphabetical order.
    pub(crate) crates: BTreeSet<&'static str>,
}

/// A struct for a table.
#[derive(Debug)]
pub(crate) struct StructPlan {
    pub(crate) name: String,
    /// The name of the table in messages.
    pub(crate) table: String,
    /// The name of the table, if the struct must declare it.
    pub(crate) declared_table: Option<String>,
    pub(crate) fields: Vec<FieldPlan>,
    /// The remarks about the table.
    pub(crate) notes: Vec<String>,
    /// The questions to a person about the struct.
    pub(crate) decisions: Vec<String>,
}

/// A field for a column.
#[derive(Debug)]
pub(crate) struct FieldPlan {
    pub(crate) name: String,
    pub(crate) column: String,
    /// Whether the field must declare its column.
    pub(crate) mapping: ColumnMapping,
    pub(crate) key: KeyMark,
    pub(crate) rust_type: String,
    pub(crate) nullable: bool,
    pub(crate) bytes: BytesForm,
    /// The questions to a person about the column.
    pub(crate) decisions: Vec<String>,
}

/// How a field finds its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnMapping {
    /// By the name of the field.
    ByName,
    /// By `#[entity(column = "…")]`.
    Declared,
}

/// Whether a field needs `#[entity(key)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyMark {
    /// The field is not a key field.
    None,
    /// The field is the key by its name, `id`.
    ByName,
    /// The field is a key field and has the attribute.
    Marked,
}

/// How serde writes the bytes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BytesForm {
    /// The field contains no bytes, or is a key, which is written as a list of numbers.
    Plain,
    /// As base64.
    Base64,
}

/// An enum of the database.
#[derive(Debug)]
pub(crate) struct EnumPlan {
    pub(crate) name: String,
    /// The name in the database.
    pub(crate) source: String,
    pub(crate) variants: Vec<VariantPlan>,
}

/// A variant of an enum.
#[derive(Debug)]
pub(crate) struct VariantPlan {
    pub(crate) name: String,
    pub(crate) label: String,
}

impl ModulePlan {
    /// Plans the module for a database.
    pub(crate) fn new(schema: &DatabaseSchema, time: TimeCrate) -> Self {
        let mut names = Names::of_types();
        let mut plan = Self {
            structs: Vec::new(),
            enums: Vec::new(),
            uncovered: schema.uncoverable.clone(),
            crates: BTreeSet::new(),
        };
        let mut covered: Vec<&TableDescription> = Vec::new();
        for table in &schema.tables {
            match reason_without_struct(table) {
                Some(reason) => plan.uncovered.push(reason),
                None => {
                    let reasons = table.columns.iter().filter_map(reason_without_field);
                    let table_name = table.address.escape_debug();
                    plan.uncovered.extend(reasons.map(|reason| format!("table `{table_name}`: {reason}")));
                    covered.push(table);
                }
            }
        }
        // Tables that are found by the names of their structs get these names first, and enums get theirs last.
        let mut ordered = covered.clone();
        ordered.sort_by_key(|table| (table.address != table.name, !is_named_like_struct(&table.name)));
        let struct_names: BTreeMap<&str, String> = ordered
            .into_iter()
            .map(|table| (table.address.as_str(), names.of_table(&table.address)))
            .collect();
        let mut enum_names = BTreeMap::new();
        let columns = || covered.iter().flat_map(|table| &table.columns);
        let is_used = |found: &&EnumDescription| {
            columns().any(|column| column.field_type.enumeration() == Some(&found.name))
        };
        for found in schema.enums.iter().filter(is_used) {
            let name = names.of_enum(&found.name);
            enum_names.insert(found.name.clone(), name.clone());
            plan.enums.push(EnumPlan::new(found, name));
        }
        for table in covered {
            let Some(name) = struct_names.get(table.address.as_str()) else { continue };
            let planned = StructPlan::new(table, name.clone(), schema, &enum_names, time, &mut plan.crates);
            plan.structs.push(planned);
        }
        plan
    }
}

/// Returns why no struct can cover a table, with the remedy; `None` if a struct can.
fn reason_without_struct(table: &TableDescription) -> Option<String> {
    let name = table.address.escape_debug();
    if table.address.trim().is_empty() {
        return Some(format!("table `{name}` cannot be an entity, because its name is empty; rename it"));
    }
    table.key.is_empty().then(|| {
        format!(
            "table `{name}` has no key; add a primary key, or declare why the table needs no backup with \
             `.ignore_table(\"{name}\", \"…\")`"
        )
    })
}

impl StructPlan {
    fn new(
        table: &TableDescription,
        name: String,
        schema: &DatabaseSchema,
        enums: &BTreeMap<String, String>,
        time: TimeCrate,
        crates: &mut BTreeSet<&'static str>,
    ) -> Self {
        let mut decisions = Vec::new();
        let mut columns: Vec<&ColumnDescription> = Vec::new();
        let mut generated = Vec::new();
        for column in &table.columns {
            if column.generated && !table.is_key(&column.name) {
                generated.push(format!("`{}`", column.name.escape_debug()));
            } else if let Some(reason) = reason_without_field(column) {
                decisions.push(format!("{reason}."));
            } else {
                columns.push(column);
            }
        }
        let names = Names::of_columns(columns.iter().map(|column| column.name.as_str()));
        let readable: Vec<(&ColumnDescription, String)> = columns.into_iter().zip(names).collect();
        let field_names: Vec<&str> = readable.iter().map(|(_, name)| name.as_str()).collect();
        let is_single_key = table.key.len() == 1;
        let mut fields = Vec::new();
        for (column, field) in &readable {
            let is_key = table.is_key(&column.name);
            let is_bytes = column.field_type == ColumnFieldType::Logical(LogicalType::Bytes);
            fields.push(FieldPlan {
                mapping: column_mapping(&column.name, field, table, &field_names),
                key: match is_key {
                    false => KeyMark::None,
                    true if is_single_key && field == "id" => KeyMark::ByName,
                    true => KeyMark::Marked,
                },
                rust_type: of_field_type(&column.field_type, enums, time, crates),
                nullable: column.nullable && !is_key,
                bytes: if is_bytes && !is_key { BytesForm::Base64 } else { BytesForm::Plain },
                decisions: column.notes.clone(),
                name: field.clone(),
                column: column.name.clone(),
            });
        }
        let personal: Vec<String> = readable
            .iter()
            .filter(|(column, _)| personal::looks_personal(&column.name))
            .map(|(column, _)| format!("`{}`", column.name.escape_debug()))
            .collect();
        if !personal.is_empty() {
            decisions.push(format!(
                "{} {}; encrypt the records with `#[entity_backup(encrypt)]`, or remove this comment.",
                match personal.len() {
                    1 => format!("column {}", personal.join(", ")),
                    _ => format!("the columns {}", personal.join(", ")),
                },
                if personal.len() == 1 { "looks personal" } else { "look personal" },
            ));
        }
        let mut notes = table.notes.clone();
        if !generated.is_empty() {
            notes.push(format!(
                "The struct has no field for columns that the database computes: {}.",
                generated.join(", ")
            ));
        }
        Self {
            declared_table: declared_table(table, &name, schema),
            name,
            table: table.address.clone(),
            fields,
            notes,
            decisions,
        }
    }
}

/// Returns why a column has no field, with the remedy; `None` if it can have one.
fn reason_without_field(column: &ColumnDescription) -> Option<String> {
    let name = column.name.escape_debug();
    match &column.field_type {
        ColumnFieldType::Unreadable(reason) => Some(format!("column `{name}` is left out, because {reason}")),
        _ if column.name.trim().is_empty() => {
            Some(format!("column `{name}` is left out, because its name is empty; rename it"))
        }
        _ => None,
    }
}

/// Returns the name of the table if the name of the struct does not find it: adapters compare names without case and
/// underscores.
fn declared_table(table: &TableDescription, name: &str, schema: &DatabaseSchema) -> Option<String> {
    let matching = schema.relations.iter().filter(|relation| folded(relation) == folded(name)).count();
    let is_found = table.address == table.name
        && table.name.is_ascii()
        && folded(name) == folded(&table.name)
        && matching <= 1;
    (!is_found).then(|| table.address.clone())
}

/// Returns how a field finds its column. The adapters compare names without case and underscores if there is no
/// column with exactly the name of the field.
fn column_mapping(column: &str, field: &str, table: &TableDescription, fields: &[&str]) -> ColumnMapping {
    let wanted = folded(field);
    let is_only_column = table.columns.iter().filter(|other| folded(&other.name) == wanted).count() == 1;
    let is_only_field = fields.iter().filter(|other| folded(other) == wanted).count() == 1;
    let is_found = column.is_ascii()
        && (column == field || (folded(column) == wanted && is_only_column && is_only_field));
    if is_found { ColumnMapping::ByName } else { ColumnMapping::Declared }
}

impl EnumPlan {
    fn new(found: &EnumDescription, name: String) -> Self {
        let mut names = Names::of_variants();
        let variants = found
            .labels
            .iter()
            .map(|label| VariantPlan { name: names.of_label(label), label: label.clone() });
        Self { name, source: found.name.clone(), variants: variants.collect() }
    }
}
