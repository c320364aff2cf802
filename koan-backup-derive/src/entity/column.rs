//! The columns of fields.

use std::collections::BTreeMap;

use super::form::Body;
use super::model::{Field, Variant};
use crate::ctxt::Ctxt;
use crate::name;

/// The declared columns, by the serde names of their fields.
pub(crate) type Columns = BTreeMap<String, String>;

/// Checks that the names and columns of the fields in a record are distinct, and returns the columns.
pub(crate) fn resolve(body: &Body, cx: &mut Ctxt) -> Columns {
    let mut columns = Columns::new();
    for variant in body.variants.iter().filter(|variant| !variant.serde.skipped()) {
        for field in variant.fields.iter().flatten() {
            let Some(literal) = field.options.column.get() else { continue };
            if let Some(problem) = column_problem(field, body) {
                cx.error(field.options.column.name(), problem);
                continue;
            }
            let Some(column) = name::in_database(literal, "column", cx) else { continue };
            let known = columns.entry(field.serde_name().to_owned()).or_insert_with(|| column.clone());
            if *known != column {
                let name = field.name();
                cx.error(
                    literal,
                    format!("`{name}` has column `{known}` in another variant; use the same column"),
                );
            }
        }
    }
    if !body.converted {
        body.variants
            .iter()
            .filter(|variant| !variant.serde.skipped())
            .for_each(|variant| check_distinct(variant, body.tag.as_deref(), &columns, cx));
    }
    columns
}

/// Returns why a field cannot have a column, or `None` if it can.
fn column_problem(field: &Field, body: &Body) -> Option<&'static str> {
    if body.converted {
        Some("serde writes another type instead of this type, so this field has no column; remove `column`")
    } else if field.serde.skipped().is_some() {
        Some("serde skips this field, so it has no column; remove `column`")
    } else if field.serde.flatten.is_some() {
        Some("a flattened field has no column of its own; put `column` on the fields of its type instead")
    } else {
        None
    }
}

/// Checks that no two fields of a record have the same name or the same column.
fn check_distinct(variant: &Variant, tag: Option<&str>, columns: &Columns, cx: &mut Ctxt) {
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    let mut fields_by_column: BTreeMap<&str, String> = BTreeMap::new();
    let written = |field: &&Field| field.serde.skipped().is_none() && field.serde.flatten.is_none();
    for field in variant.fields.iter().flatten().filter(written) {
        let name = field.serde_name();
        if tag == Some(name) {
            cx.error(
                &field.ident,
                format!(
                    "serde calls this field `{name}`, and the tag as well, because of `#[serde(tag = \"{name}\")]`; rename one \
                     of them"
                ),
            );
            continue;
        }
        if let Some(other) = names.insert(name, field.name()) {
            cx.error(
                &field.ident,
                format!("this field and `{other}` have the same serde name `{name}`; rename one of them"),
            );
            continue;
        }
        let column = columns.get(name).map_or(name, String::as_str);
        if let Some(other) = fields_by_column.insert(column, field.name()) {
            let message = format!(
                "this field and `{other}` have the same column `{column}`; give each field its own column"
            );
            match field.options.column.get() {
                Some(literal) => cx.error(literal, message),
                None => cx.error(&field.ident, message),
            }
        }
    }
}
