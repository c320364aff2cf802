//! Finds the fields that make up the key.

use std::collections::BTreeSet;

use proc_macro2::Ident;
use syn::Type;
use syn::ext::IdentExt;

use super::form::Body;
use super::model::{Field, Variant};
use crate::ctxt::Ctxt;
use crate::identity::Key;
use crate::key_list::{KeyList, KeyPart};
use crate::{key_type, spelling, suggestion};

/// One field of the key.
pub(crate) struct KeyField {
    /// The name of the field in the source.
    pub(crate) name: String,
    /// The name in records.
    pub(crate) serde_name: String,
    /// The declared path and type, if the key is a field of a flattened field.
    pub(crate) nested: Option<NestedKey>,
}

/// A key within a flattened field.
pub(crate) struct NestedKey {
    /// The fields within the flattened field, from the outermost to the key.
    pub(crate) within: Vec<Ident>,
    pub(crate) ty: Type,
}

impl KeyField {
    fn of_field(field: &Field) -> Self {
        Self { name: field.name(), serde_name: field.serde_name().to_owned(), nested: None }
    }
}

/// Returns the key fields in the order of the key, or `None` after an error.
pub(crate) fn resolve(ident: &Ident, body: &Body, declared: &Key, cx: &mut Ctxt) -> Option<Vec<KeyField>> {
    let marked = |field: &&Field| field.options.key.name().is_some();
    let fields = || body.variants.iter().flat_map(|variant| variant.fields.iter().flatten());
    if body.variants.iter().all(|variant| variant.is_tuple) {
        for variant in &body.variants {
            cx.error(&variant.ident, unnamed_fields(&variant.ident));
        }
        return None;
    }
    let chosen: BTreeSet<String> = match declared {
        Key::Invalid => return None,
        Key::List(list) => {
            for mark in fields().filter_map(|field| field.options.key.name()) {
                cx.error(mark, "the key is already declared on the type; remove one of the declarations");
            }
            let key = check_list(list, body, cx)?;
            check_variants(body, &key.iter().map(|field| field.name.clone()).collect(), &key, cx)?;
            return check_order(list, &key, body, cx).then_some(key);
        }
        Key::Undeclared if fields().any(|field| marked(&field)) => {
            fields().filter(marked).map(Field::name).collect()
        }
        Key::Undeclared if fields().any(|field| field.name() == "id") => BTreeSet::from(["id".to_owned()]),
        Key::Undeclared => {
            cx.error(ident, "this type has no key; add `#[entity(key)]` to a field, or add a field `id`");
            return None;
        }
    };
    check_variants(body, &chosen, &[], cx)?;
    let first = body.first_variant()?.fields.as_ref()?;
    Some(first.iter().filter(|field| chosen.contains(&field.name())).map(KeyField::of_field).collect())
}

/// Returns the fields of `key = "…"`, in its order. Each part must be the name of a field and nothing else, or a path
/// into a flattened field with its type.
fn check_list(list: &KeyList, body: &Body, cx: &mut Ctxt) -> Option<Vec<KeyField>> {
    let fields = || body.variants.iter().flat_map(|variant| variant.fields.iter().flatten());
    let mut key = Vec::new();
    for part in &list.parts {
        let name = part.field.unraw().to_string();
        let Some(field) = fields().find(|field| field.name() == name) else {
            let mut known: Vec<String> = Vec::new();
            for field in fields().map(Field::name) {
                if !known.contains(&field) {
                    known.push(field);
                }
            }
            let remedy = suggestion::or_known(&name, known.iter().map(String::as_str), "the fields are");
            cx.error(&list.literal, format!("no field `{name}`; {remedy}"));
            continue;
        };
        let found = if part.within.is_empty() {
            Some(own_field(part, field, list, body, cx))
        } else {
            nested_field(part, field, list, body, cx)
        };
        key.extend(found);
    }
    (key.len() == list.parts.len()).then_some(key)
}

fn own_field(part: &KeyPart, field: &Field, list: &KeyList, body: &Body, cx: &mut Ctxt) -> KeyField {
    let name = part.name();
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
    let serde_name = part.serde_name.clone().unwrap_or_else(|| field.serde_name().to_owned());
    KeyField { serde_name, ..KeyField::of_field(field) }
}

fn nested_field(
    part: &KeyPart,
    field: &Field,
    list: &KeyList,
    body: &Body,
    cx: &mut Ctxt,
) -> Option<KeyField> {
    let (name, path) = (field.name(), part.name());
    if field.serde.flatten.is_none() && !body.converted {
        cx.error(
            &list.literal,
            format!(
                "`{path}` is not a field of the record, because serde does not flatten `{name}`; add `#[serde(flatten)]` to \
                 `{name}`, or choose another key"
            ),
        );
        return None;
    }
    let Some(ty) = part.ty.clone() else {
        let text = format!(
            "the type of the key field `{path}` is not visible here; write it: `key = \"{path}: i64\"`"
        );
        cx.error(&list.literal, text);
        return None;
    };
    if let Some(fault) = key_type::fault(&ty) {
        cx.error(&list.literal, format!("the key field `{path}` {fault}"));
    }
    let nested = NestedKey { within: part.within.clone(), ty };
    Some(KeyField { name, serde_name: part.serde_name(), nested: Some(nested) })
}

/// Refuses a list in another order than that of the fields: archives have the fields of the key in the order of their
/// declaration, and a key in another order would be the key of another record. A type that serde converts has the order
/// of the other type, which is checked when the context is built.
fn check_order(list: &KeyList, key: &[KeyField], body: &Body, cx: &mut Ctxt) -> bool {
    let declared: Vec<String> = body
        .first_variant()
        .and_then(|first| first.fields.as_ref())
        .into_iter()
        .flatten()
        .map(Field::name)
        .collect();
    let position = |part: &KeyPart| declared.iter().position(|name| part.field.unraw() == name);
    let mut sorted: Vec<&KeyPart> = list.parts.iter().collect();
    sorted.sort_by_key(|part| position(part));
    if body.converted
        || key.len() < 2
        || sorted.iter().zip(&list.parts).all(|(one, other)| std::ptr::eq(*one, other))
    {
        return true;
    }
    let text = |parts: &mut dyn Iterator<Item = &KeyPart>| {
        parts.map(|part| part.text()).collect::<Vec<_>>().join(", ")
    };
    cx.error(
        &list.literal,
        format!(
            "the fields of the key are declared in another order, which is the order of `Entity::Key` and of archives; write \
             `key = \"{}\"`, or move the fields",
            text(&mut sorted.iter().copied()),
        ),
    );
    false
}

/// Returns the error of a variant without named fields.
fn unnamed_fields(variant: &Ident) -> String {
    format!(
        "the key of a variant must be in named fields; write `{variant} {{ #[serde(flatten)] content: … }}`, and declare the \
         key with its type: `#[entity(key = \"content.id: i64\")]`"
    )
}

/// Checks that every variant contains the key in fields that serde writes.
fn check_variants(
    body: &Body,
    chosen: &BTreeSet<String>,
    declared: &[KeyField],
    cx: &mut Ctxt,
) -> Option<()> {
    let mut is_complete = true;
    for variant in &body.variants {
        if let Some(other) = &variant.serde.other {
            is_complete = false;
            cx.error(
                other,
                "a record of this variant has neither a key nor its tag, so it could not be written back; remove the \
                 variant, and add a variant for each tag",
            );
            continue;
        }
        for name in chosen {
            match variant.fields.iter().flatten().find(|field| field.name() == *name) {
                Some(field) => {
                    let mut parts = declared.iter().filter(|key| key.name == *name).peekable();
                    let is_nested = parts.peek().is_some() && parts.all(|key| key.nested.is_some());
                    check_field(field, variant, body, is_nested, cx);
                }
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

/// `is_nested` is whether the key is within this field, which serde flattens.
fn check_field(field: &Field, variant: &Variant, body: &Body, is_nested: bool, cx: &mut Ctxt) {
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
    let is_first = first.is_none_or(|first| std::ptr::eq(first, field));
    // The type of a converted record, or custom functions, decide what is written: the context checks that.
    let is_written_as_is = !body.converted && field.serde.serialize_with.is_none();
    if let Some(fault) = key_type::fault(&field.ty).filter(|_| !is_nested && is_first && is_written_as_is) {
        cx.error(&field.ty, format!("the key field `{name}` {fault}"));
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
    if is_nested && field.serde.flatten.is_none() {
        cx.error(
            &field.ident,
            format!(
                "the key is declared within `{name}`, which serde does not flatten here; add `#[serde(flatten)]`, or choose \
                 another key"
            ),
        );
    }
    if let Some(at) = field.serde.flatten.as_ref().filter(|_| !is_nested) {
        cx.error(
            at,
            format!(
                "the key field `{name}` is flattened, so it is not a field of a record; declare a field of its type as the key: \
                 `#[entity(key = \"{name}.id: i64\")]` on the type, or choose another key"
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
