//! Writes the text of the module.

mod text;

use koan_backup_core::provider::DatabaseSchema;

use crate::options::GenerateOptions;
use crate::plan::{BytesForm, ColumnMapping, EnumPlan, FieldPlan, KeyMark, ModulePlan, StructPlan, raw};
use text::{attribute, comment, item};

/// Returns the text of a module with an entity for each table that has a key. The text is formatted as rustfmt formats
/// it, and compiles unchanged if the crates that its first lines list are dependencies.
pub fn render(schema: &DatabaseSchema, options: &GenerateOptions) -> String {
    let plan = ModulePlan::new(schema, options.time);
    let mut out = String::new();
    header(&mut out, schema, &plan);
    if !plan.structs.is_empty() {
        out.push_str("use koan_backup::Entity;\nuse serde::{Deserialize, Serialize};\n\n");
    }
    out.push_str("koan_backup::entity_backup_scope!(mode = All);\n");
    plan.structs.iter().for_each(|planned| render_struct(&mut out, planned));
    plan.enums.iter().for_each(|planned| render_enum(&mut out, planned));
    out
}

fn header(out: &mut String, schema: &DatabaseSchema, plan: &ModulePlan) {
    let database = match schema.kind.as_str() {
        "sqlite" => "SQLite",
        "postgres" => "PostgreSQL",
        other => other,
    };
    comment(out, "", &format!("The entities of a {database} database, written by `koan-backup generate`."));
    out.push_str("//\n");
    comment(out, "", &dependencies(plan));
    if !plan.uncovered.is_empty() {
        out.push_str("//\n");
        comment(out, "", "No struct can cover the following data. The boot report warns of it:");
        for message in &plan.uncovered {
            item(out, message);
        }
    }
    out.push('\n');
}

/// Returns the sentence about the crates that the module needs, with their features.
fn dependencies(plan: &ModulePlan) -> String {
    let is_feature = |name: &&&str| ["chrono", "jiff", "rust_decimal", "time"].contains(*name);
    let features: Vec<String> =
        plan.crates.iter().filter(is_feature).map(|name| format!("`{name}`")).collect();
    let framework = match features.as_slice() {
        [] => "`koan-backup`".to_owned(),
        [one] => format!("`koan-backup` (feature {one})"),
        several => format!("`koan-backup` (features {})", several.join(", ")),
    };
    let mut needed = vec![framework, "`serde` (feature `derive`)".to_owned()];
    needed.extend(plan.crates.iter().map(|name| match *name {
        "serde_json" => "`serde_json`".to_owned(),
        // With the feature `serde` alone, this crate writes dates as lists of numbers.
        "time" => "`time` (feature `serde-human-readable`)".to_owned(),
        name => format!("`{name}` (feature `serde`)"),
    }));
    format!("The module needs the crates {}.", needed.join(", "))
}

fn render_struct(out: &mut String, planned: &StructPlan) {
    out.push('\n');
    for decision in &planned.decisions {
        comment(out, "", &format!("Decide: {decision}"));
    }
    for note in &planned.notes {
        comment(out, "", note);
    }
    text::doc(out, &format!("A row of table `{}`.", planned.table));
    out.push_str("#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]\n");
    if let Some(table) = &planned.declared_table {
        attribute(out, "", "entity", &[&format!("table = {table:?}")]);
    }
    out.push_str(&format!("pub struct {} {{\n", planned.name));
    planned.fields.iter().for_each(|field| render_field(out, field));
    out.push_str("}\n");
}

fn render_field(out: &mut String, field: &FieldPlan) {
    const INDENT: &str = "    ";
    for decision in &field.decisions {
        comment(out, INDENT, &format!("Decide: {decision}."));
    }
    let mut options = Vec::new();
    if field.key == KeyMark::Marked {
        options.push("key".to_owned());
    }
    if field.mapping == ColumnMapping::Declared {
        options.push(format!("column = {:?}", field.column));
    }
    if !options.is_empty() {
        attribute(out, INDENT, "entity", &options.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let with = "with = \"koan_backup::serde::base64\"";
    match (field.bytes, field.nullable) {
        (BytesForm::Plain, _) => {}
        (BytesForm::Base64, false) => attribute(out, INDENT, "serde", &[with]),
        (BytesForm::Base64, true) => attribute(out, INDENT, "serde", &["default", with]),
    }
    let ty = &field.rust_type;
    let ty = if field.nullable { format!("Option<{ty}>") } else { ty.clone() };
    text::field(out, INDENT, &raw(&field.name), &ty);
}

fn render_enum(out: &mut String, planned: &EnumPlan) {
    out.push('\n');
    text::doc(out, &format!("A value of the enum `{}`.", planned.source));
    out.push_str("#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]\n");
    out.push_str(&format!("pub enum {} {{\n", planned.name));
    for variant in &planned.variants {
        if variant.name != variant.label {
            attribute(out, "    ", "serde", &[&format!("rename = {:?}", variant.label)]);
        }
        out.push_str(&format!("    {},\n", variant.name));
    }
    out.push_str("}\n");
}
