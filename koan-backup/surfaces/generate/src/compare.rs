//! The differences between a module and a database.

mod difference;
mod module;
mod serde_name;
mod type_text;

use std::collections::{BTreeMap, BTreeSet};

use koan_backup_core::provider::{
    ColumnDescription, ColumnFieldType, DatabaseSchema, TableDescription, folded,
};
use koan_backup_core::{Error, ErrorKind, Result};

pub use difference::Difference;

use crate::options::TimeCrate;
use crate::plan::{ModulePlan, of_field_type};
use module::{DeclaredEnum, DeclaredField, DeclaredStruct, Module};

/// Returns the differences between a module and a database: tables and columns without a struct or field, structs and
/// fields without a table or column, and different types, nullability, keys and labels. The result is empty if the
/// module covers the database.
///
/// The types of `chrono`, `jiff` and `time` are equivalent. Entities of another provider, tables without a key, and
/// columns that no type reads are not compared.
///
/// # Errors
/// The text is not valid Rust.
pub fn compare(module_text: &str, schema: &DatabaseSchema) -> Result<Vec<Difference>> {
    let module = Module::parse(module_text).map_err(|error| {
        let start = error.span().start();
        Error::new(
            ErrorKind::Configuration,
            format!(
                "the module is not valid Rust: {error} in line {}, column {}",
                start.line,
                start.column + 1
            ),
        )
    })?;
    let mut differences = Vec::new();
    let mut matched: BTreeSet<&str> = BTreeSet::new();
    for declared in &module.structs {
        match table_of(declared, schema) {
            Some(table) => {
                matched.insert(&table.address);
                compare_table(declared, table, schema, &module, &mut differences);
            }
            None => differences.push(Difference::ExtraStruct { entity: declared.name.clone() }),
        }
    }
    let missing = schema.tables.iter().filter(|table| {
        !matched.contains(table.address.as_str()) && !table.key.is_empty() && !table.address.trim().is_empty()
    });
    differences.extend(missing.map(|table| Difference::MissingTable { table: table.address.clone() }));
    Ok(differences)
}

/// Finds the table of a struct, by the rules of the adapters.
fn table_of<'s>(declared: &DeclaredStruct, schema: &'s DatabaseSchema) -> Option<&'s TableDescription> {
    let find =
        |matches: &dyn Fn(&TableDescription) -> bool| schema.tables.iter().find(|table| matches(table));
    let wanted = declared.table.as_deref().unwrap_or(&declared.entity_name);
    let is_qualified = |table: &TableDescription| {
        table.schema.as_ref().is_some_and(|schema| format!("{schema}.{}", table.name) == wanted)
    };
    let exact = find(&|table| table.address == wanted).or_else(|| find(&is_qualified));
    exact.or_else(|| match declared.table {
        Some(_) => find(&|table| table.address.eq_ignore_ascii_case(wanted)),
        None => find(&|table| table.address == table.name && folded(&table.name) == folded(wanted)),
    })
}

fn compare_table(
    declared: &DeclaredStruct,
    table: &TableDescription,
    schema: &DatabaseSchema,
    module: &Module,
    differences: &mut Vec<Difference>,
) {
    let entity = &declared.name;
    let columns = columns_of(declared, table);
    let mut covered = BTreeSet::new();
    for (field, column) in declared.fields.iter().zip(&columns) {
        let Some(column) = column else {
            differences.push(Difference::ExtraField { entity: entity.clone(), field: field.name.clone() });
            continue;
        };
        covered.insert(column.name.as_str());
        compare_field(entity, field, column, table, schema, module, differences);
    }
    let is_required = |column: &&ColumnDescription| {
        !covered.contains(column.name.as_str())
            && (!column.generated || table.is_key(&column.name))
            && !matches!(column.field_type, ColumnFieldType::Unreadable(_))
            && !column.name.trim().is_empty()
    };
    // A flattened field contains the columns without a field of their own.
    let missing = table.columns.iter().filter(is_required).filter(|_| !declared.is_open);
    differences.extend(missing.map(|column| Difference::MissingColumn {
        table: table.address.clone(),
        column: column.name.clone(),
    }));
    let found: BTreeSet<&str> = declared
        .fields
        .iter()
        .zip(&columns)
        .filter(|(field, _)| declared.is_key(field))
        .filter_map(|(_, column)| column.map(|column| column.name.as_str()))
        .collect();
    let expected: BTreeSet<&str> = table.key.iter().map(String::as_str).collect();
    if !expected.is_empty() && found != expected {
        let listed = |key: BTreeSet<&str>| key.into_iter().map(str::to_owned).collect();
        differences.push(Difference::DifferentKey {
            entity: entity.clone(),
            expected: listed(expected),
            found: listed(found),
        });
    }
}

/// Returns the column of each field, by the rules of the adapters.
fn columns_of<'t>(
    declared: &DeclaredStruct,
    table: &'t TableDescription,
) -> Vec<Option<&'t ColumnDescription>> {
    let find = |matches: &dyn Fn(&str) -> bool| table.columns.iter().find(|column| matches(&column.name));
    let exact = |field: &DeclaredField| {
        let wanted = field.column.as_deref().unwrap_or(&field.serde_name);
        find(&|name| name == wanted)
            .or_else(|| field.column.as_ref().and_then(|_| find(&|name| name.eq_ignore_ascii_case(wanted))))
    };
    let exactly: Vec<_> = declared.fields.iter().map(exact).collect();
    let is_taken = |name: &str| exactly.iter().flatten().any(|column| column.name == name);
    let by_folded_name = |field: &DeclaredField| {
        find(&|name| !is_taken(name) && folded(name) == folded(&field.serde_name))
            .filter(|_| field.column.is_none())
    };
    let fields = declared.fields.iter().zip(&exactly);
    fields.map(|(field, exact)| exact.or_else(|| by_folded_name(field))).collect()
}

fn compare_field(
    entity: &str,
    field: &DeclaredField,
    column: &ColumnDescription,
    table: &TableDescription,
    schema: &DatabaseSchema,
    module: &Module,
    differences: &mut Vec<Difference>,
) {
    let is_nullable = column.nullable && !table.is_key(&column.name);
    if field.is_optional != is_nullable {
        differences.push(Difference::DifferentNullability {
            entity: entity.to_owned(),
            field: field.name.clone(),
            nullable: is_nullable,
        });
    }
    let mut enum_names = BTreeMap::new();
    if let Some(name) = column.field_type.enumeration() {
        match module.enums.iter().find(|declared| declared.name == type_text::element(&field.type_text)) {
            Some(declared) => {
                compare_labels(declared, name, schema, differences);
                enum_names.insert(name.to_owned(), declared.name.clone());
            }
            None => enum_names.extend(enum_name(name, schema, module)),
        }
    }
    let accepted = |time: TimeCrate| {
        let expected = of_field_type(&column.field_type, &enum_names, time, &mut BTreeSet::new());
        type_text::normalized_text(&expected)
    };
    let expected: Vec<String> = TimeCrate::ALL.into_iter().map(accepted).collect();
    let found = type_text::without_optional_elements(&field.type_text);
    if !expected.iter().any(|expected| type_text::without_optional_elements(expected) == found) {
        differences.push(Difference::DifferentType {
            entity: entity.to_owned(),
            field: field.name.clone(),
            expected: of_field_type(&column.field_type, &enum_names, module.time(), &mut BTreeSet::new()),
            found: field.type_text.clone(),
        });
    }
}

/// Returns an enum of the database with the name that it has in the module: that of the enum with the same labels, or
/// else the name that a new module would give it.
fn enum_name(name: &str, schema: &DatabaseSchema, module: &Module) -> Option<(String, String)> {
    let labels = schema.enums.iter().find(|found| found.name == name).map(|found| &found.labels);
    let same = module.enums.iter().find(|declared| Some(&declared.labels) == labels);
    let planned = ModulePlan::new(schema, TimeCrate::default());
    let planned = planned.enums.into_iter().find(|planned| planned.source == name);
    let chosen = same.map(|declared| declared.name.clone()).or(planned.map(|planned| planned.name));
    chosen.map(|chosen| (name.to_owned(), chosen))
}

fn compare_labels(
    declared: &DeclaredEnum,
    name: &str,
    schema: &DatabaseSchema,
    differences: &mut Vec<Difference>,
) {
    let Some(found) = schema.enums.iter().find(|found| found.name == name) else { return };
    let mut add = |difference: Difference| {
        if !differences.contains(&difference) {
            differences.push(difference);
        }
    };
    for label in found.labels.iter().filter(|label| !declared.labels.contains(label)) {
        add(Difference::MissingLabel { name: declared.name.clone(), label: label.clone() });
    }
    for label in declared.labels.iter().filter(|label| !found.labels.contains(label)) {
        add(Difference::ExtraVariant { name: declared.name.clone(), label: label.clone() });
    }
}
