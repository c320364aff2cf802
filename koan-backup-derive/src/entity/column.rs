//! The columns that fields are stored in.

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
            if let Some(why) = column_fault(field, body) {
                cx.error(field.options.column.name(), why);
                continue;
            }
            let Some(column) = name::in_database(literal, "column", cx) else { continue };
            let known = columns.entry(field.serde_name().to_owned()).or_insert_with(|| column.clone());
            if *known != column {
                let name = field.name();
                cx.error(
                    literal,
                    format!("`{name}` is in column `{known}` in another variant; use one column"),
                );
            }
        }
    }
    if !body.converted {
        body.variants.iter().for_each(|variant| check_distinct(variant, &columns, cx));
    }
    columns
}

fn column_fault(field: &Field, body: &Body) -> Option<&'static str> {
    if body.converted {
        Some("serde writes another type in place of this one, so this field has no column; remove `column`")
    } else if field.serde.skipped().is_some() {
        Some("serde skips this field, so it has no column; remove `column`")
    } else if field.serde.flatten.is_some() {
        Some(
            "a flattened field has no column of its own; put `column` on the fields of its type, or remove it",
        )
    } else {
        None
    }
}

/// Checks that no two fields of a record have the same name or the same column.
fn check_distinct(variant: &Variant, columns: &Columns, cx: &mut Ctxt) {
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    let mut taken: BTreeMap<&str, String> = BTreeMap::new();
    let written = |field: &&Field| field.serde.skipped().is_none() && field.serde.flatten.is_none();
    for field in variant.fields.iter().flatten().filter(written) {
        let name = field.serde_name();
        if let Some(other) = names.insert(name, field.name()) {
            cx.error(
                &field.ident,
                format!("serde calls this field and `{other}` both `{name}`; rename one of them"),
            );
            continue;
        }
        let column = columns.get(name).map_or(name, String::as_str);
        if let Some(other) = taken.insert(column, field.name()) {
            let message =
                format!("this field and `{other}` are both in column `{column}`; give each its own");
            match field.options.column.get() {
                Some(literal) => cx.error(literal, message),
                None => cx.error(&field.ident, message),
            }
        }
    }
}
