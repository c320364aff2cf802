//! The types that can be entities: those that serde writes as a map with known fields.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Data, DeriveInput, Fields, Member};

use super::attr;
use super::model::{self, Variant};
use super::serde_attr::{ContainerAttr, Tagging, VariantAttr};
use crate::ctxt::Ctxt;

/// The structure of an entity.
pub(crate) enum Form {
    /// The type has its own fields.
    Body(Body),
    /// A `#[serde(transparent)]` struct, which has the fields of its only field.
    Transparent(Member),
}

/// The fields of a struct, or of each variant of an enum.
pub(crate) struct Body {
    /// The variants. A struct has one variant, which is the struct itself.
    pub(crate) variants: Vec<Variant>,
    pub(crate) is_enum: bool,
    /// The field in which serde writes the name of the variant, or of the struct.
    pub(crate) tag: Option<String>,
    /// Whether serde writes or reads another type instead.
    pub(crate) converted: bool,
    /// Whether the struct is packed, so that its fields cannot be borrowed.
    pub(crate) packed: bool,
}

impl Body {
    /// Returns the first variant that serde writes, whose fields decide the order of the key.
    pub(crate) fn first_variant(&self) -> Option<&Variant> {
        self.variants.iter().find(|variant| !variant.serde.skipped()).or_else(|| self.variants.first())
    }
}

impl Form {
    /// Returns the structure of `input`, if it can be an entity.
    pub(crate) fn of(input: &DeriveInput, serde: &ContainerAttr, cx: &mut Ctxt) -> Option<Self> {
        check_generics(input, cx);
        match &input.data {
            Data::Struct(data) if serde.transparent => transparent(&input.ident, &data.fields, cx),
            Data::Struct(data) => structure(input, &data.fields, serde, cx),
            Data::Enum(data) => {
                let variants = model::variants(&data.variants, serde, cx);
                check_tagging(data.enum_token, serde, &variants, cx);
                if variants.is_empty() {
                    cx.error(&input.ident, "an enum without variants has no records; remove the derive");
                    return None;
                }
                let tag = match serde.tagging() {
                    Tagging::Internal(tag) => Some(tag),
                    _ => None,
                };
                Some(Self::Body(Body {
                    variants,
                    is_enum: true,
                    tag,
                    converted: serde.converted,
                    packed: false,
                }))
            }
            Data::Union(data) => {
                cx.error(
                    data.union_token,
                    "serde cannot write a union; use a struct, or an enum with `#[serde(tag = \"…\")]`",
                );
                None
            }
        }
    }
}

/// Returns whether a type has `#[repr(packed)]`, also with a number.
fn is_packed(input: &DeriveInput) -> bool {
    let mut found = false;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("repr")) {
        // The compiler reports an invalid list.
        let _ = attribute.parse_nested_meta(|option| {
            found |= option.path.is_ident("packed");
            if option.input.peek(syn::token::Paren) {
                option.input.parse::<proc_macro2::Group>()?;
            }
            Ok(())
        });
    }
    found
}

fn check_generics(input: &DeriveInput, cx: &mut Ctxt) {
    if !input.generics.params.is_empty() {
        let ident = &input.ident;
        cx.error(
            &input.generics.params,
            format!(
                "a generic type has no name and no schema of its own; derive `Entity` on a concrete newtype \
                 instead: `#[serde(transparent)] #[entity(key = \"id: i64\")] struct My{ident}({ident}<…>);`"
            ),
        );
    }
}

fn structure(input: &DeriveInput, fields: &Fields, serde: &ContainerAttr, cx: &mut Ctxt) -> Option<Form> {
    let ident = &input.ident;
    let named = model::named_fields(fields, serde.case(), serde.default, cx);
    let Some(fields) = named else {
        match fields {
            Fields::Unit => {
                cx.error(ident, "a unit struct has no data to back up; add fields, including a key field")
            }
            _ => cx.error(
                ident,
                "serde does not write a tuple struct as a map; give its fields names, or wrap one struct with \
                 `#[serde(transparent)]`",
            ),
        }
        return None;
    };
    let tag = match serde.tagging() {
        Tagging::Internal(tag) => Some(tag),
        _ => None,
    };
    let variant = Variant {
        ident: ident.clone(),
        serde: VariantAttr::default(),
        fields: Some(fields),
        is_tuple: false,
    };
    Some(Form::Body(Body {
        variants: vec![variant],
        is_enum: false,
        tag,
        converted: serde.converted,
        packed: is_packed(input),
    }))
}

fn transparent(ident: &Ident, fields: &Fields, cx: &mut Ctxt) -> Option<Form> {
    for field in fields {
        attr::refuse_on_unnamed(&field.attrs, cx);
    }
    let member = model::transparent_field(fields);
    if member.is_none() {
        cx.error(
            ident,
            "a transparent entity must have exactly one field that serde writes; put `#[serde(skip)]` on the \
             other fields",
        );
    }
    member.map(Form::Transparent)
}

fn check_tagging(enum_token: impl ToTokens, serde: &ContainerAttr, variants: &[Variant], cx: &mut Ctxt) {
    if serde.converted {
        return;
    }
    match serde.tagging() {
        Tagging::External => cx.error(
            enum_token,
            "serde writes this enum as a map whose only key is the variant, so its fields are not at the top \
             level of a record; add `#[serde(tag = \"type\")]`",
        ),
        Tagging::Adjacent(content) => cx.error(
            content,
            "with `content` the fields are not at the top level of a record; remove `content`, and keep \
             `#[serde(tag = \"…\")]`",
        ),
        Tagging::Internal(_) => {
            for at in variants.iter().filter_map(|variant| variant.serde.untagged.as_ref()) {
                cx.error(
                    at,
                    "records of this variant would have no tag; put `untagged` on the enum, or remove it \
                     from the variant",
                );
            }
        }
        Tagging::Untagged => {}
    }
}
