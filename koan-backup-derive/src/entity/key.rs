//! Finds the fields that make up the key.

use std::collections::BTreeSet;

use proc_macro2::Ident;

use super::form::Body;
use super::model::{Field, Variant};
use crate::ctxt::Ctxt;
use crate::identity::Key;
use crate::key_list::KeyList;
use crate::spelling;

/// One field of the key.
#[derive(Debug)]
pub(crate) struct KeyField {
    /// The name in the source.
    pub(crate) name: String,
    /// The name in records.
    pub(crate) serde_name: String,
}

/// Returns the key fields in the order in which the type declares them, or `None` after an error.
pub(crate) fn resolve(ident: &Ident, body: &Body, declared: &Key, cx: &mut Ctxt) -> Option<Vec<KeyField>> {
    let fields = || body.variants.iter().flat_map(|variant| variant.fields.iter().flatten());
    let marks: Vec<(&Field, &Ident)> =
        fields().filter_map(|field| Some((field, field.options.key.name()?))).collect();
    let list = match declared {
        Key::Invalid => return None,
        Key::Undeclared => None,
        Key::List(list) => Some(list),
    };
    if list.is_some() {
        for (_, mark) in &marks {
            cx.error(mark, "the key is already declared on the type; remove one of the declarations");
        }
    }
    let chosen: BTreeSet<String> = match list {
        Some(list) => check_list(list, body, fields, cx)?,
        None if !marks.is_empty() => marks.iter().map(|(field, _)| field.name()).collect(),
        None if fields().any(|field| field.name() == "id") => BTreeSet::from(["id".to_owned()]),
        None => {
            cx.error(ident, "this type has no key; add `#[entity(key)]` to a field, or add a field `id`");
            return None;
        }
    };
    check_variants(body, &chosen, cx)?;
    let first = body.variants.first()?.fields.as_ref()?;
    let key = first.iter().filter(|field| chosen.contains(&field.name()));
    Some(key.map(|field| KeyField { name: field.name(), serde_name: serde_name(field, list) }).collect())
}

fn serde_name(field: &Field, list: Option<&KeyList>) -> String {
    let part = list.and_then(|list| list.parts.iter().find(|part| part.name() == field.name()));
    part.and_then(|part| part.serde_name.clone()).unwrap_or_else(|| field.serde_name().to_owned())
}

/// Checks that every part of `key = "…"` is only the name of a field, and that the field exists.
fn check_list<'a, I: Iterator<Item = &'a Field>>(
    list: &KeyList,
    body: &Body,
    fields: impl Fn() -> I,
    cx: &mut Ctxt,
) -> Option<BTreeSet<String>> {
    let mut is_valid = true;
    for part in &list.parts {
        let name = part.name();
        if !fields().any(|field| field.name() == name) {
            is_valid = false;
            let mut known = Vec::new();
            for field in fields().map(|field| format!("`{}`", field.name())) {
                if !known.contains(&field) {
                    known.push(field);
                }
            }
            cx.error(&list.literal, format!("no field `{name}`; the fields are {}", known.join(", ")));
        }
        if part.ty.is_some() {
            cx.error(
                &list.literal,
                format!("the type of `{name}` is known from the field; write `{name}` alone"),
            );
        }
        if part.serde_name.is_some() && !body.converted {
            cx.error(
                &list.literal,
                format!("the serde name of `{name}` is known from the field; write `{name}` alone"),
            );
        }
    }
    is_valid.then(|| list.parts.iter().map(crate::key_list::KeyPart::name).collect())
}

/// Checks that every variant contains the key in fields that serde writes.
fn check_variants(body: &Body, chosen: &BTreeSet<String>, cx: &mut Ctxt) -> Option<()> {
    let mut is_complete = true;
    for variant in &body.variants {
        for name in chosen {
            match variant.fields.iter().flatten().find(|field| field.name() == *name) {
                Some(field) => check_field(field, variant, body, cx),
                None => {
                    is_complete = false;
                    let skipped = match variant.serde.skipped() {
                        true => ", including variants that serde skips",
                        false => "",
                    };
                    let ident = &variant.ident;
                    cx.error(
                        ident,
                        format!(
                            "no key field `{name}` in this variant; every variant needs it{skipped}: \
                             `{ident} {{ {name}: …, … }}`"
                        ),
                    );
                }
            }
        }
    }
    is_complete.then_some(())
}

fn check_field(field: &Field, variant: &Variant, body: &Body, cx: &mut Ctxt) {
    let name = field.name();
    let first = body
        .variants
        .first()
        .and_then(|first| first.fields.iter().flatten().find(|other| other.name() == name));
    if let Some(first) = first.filter(|first| !std::ptr::eq(*first, field)) {
        let (wanted, found) = (spelling::of(&first.ty), spelling::of(&field.ty));
        if wanted != found {
            cx.error(
                &field.ty,
                format!("the key field `{name}` has type `{wanted}` in another variant; use the same type"),
            );
        }
        if first.serde_name() != field.serde_name() && !body.converted {
            let wanted = first.serde_name();
            cx.error(
                &field.ident,
                format!("the key field has the serde name `{wanted}` in another variant; use the same name"),
            );
        }
    }
    if body.converted || variant.serde.skipped() {
        return;
    }
    if let Some(at) = field.serde.skipped() {
        cx.error(
            at,
            format!(
                "the key field `{name}` would not be in records; remove this option, or choose another key"
            ),
        );
    }
    if let Some(at) = &field.serde.flatten {
        cx.error(
            at,
            format!(
                "the key field `{name}` is flattened, so it is not a field of a record; choose another key"
            ),
        );
    }
    if let Some(at) = &field.serde.skip_serializing_if {
        cx.error(
            at,
            format!(
                "the key field `{name}` must be in every record; remove this option, or choose another key"
            ),
        );
    }
}
