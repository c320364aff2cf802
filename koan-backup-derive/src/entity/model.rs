//! The declared fields and variants of a type, with the options of their attributes.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Fields, Member, Token, Type};

use super::attr::{self, FieldOptions};
use super::serde_attr::{Case, ContainerAttr, FieldAttr, VariantAttr};
use crate::ctxt::Ctxt;

/// A named field.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) serde: FieldAttr,
    pub(crate) options: FieldOptions,
    /// The serde name of the field if it has no `rename` itself.
    pub(crate) own_name: String,
    /// Whether the type has `#[serde(default)]`.
    pub(crate) container_default: bool,
}

/// A variant of an enum, or a struct.
pub(crate) struct Variant {
    pub(crate) ident: Ident,
    pub(crate) serde: VariantAttr,
    /// `None` for a unit or tuple variant.
    pub(crate) fields: Option<Vec<Field>>,
    /// Whether it is a tuple variant.
    pub(crate) is_tuple: bool,
}

impl Field {
    /// Returns the name in the source, without `r#`.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// Returns the serde name.
    pub(crate) fn serde_name(&self) -> &str {
        self.serde.renamed().unwrap_or(&self.own_name)
    }

    /// Returns whether serde supplies a default value for a missing field.
    pub(crate) fn defaulted(&self) -> bool {
        self.serde.default || self.container_default
    }

    /// Returns whether serde can read a record without the field.
    pub(crate) fn optional(&self) -> bool {
        self.defaulted() || (self.serde.deserialize_with.is_none() && is_option(&self.ty))
    }
}

/// Returns the named fields of a struct or a variant.
pub(crate) fn named_fields(fields: &Fields, case: Case, default: bool, cx: &mut Ctxt) -> Option<Vec<Field>> {
    let Fields::Named(fields) = fields else {
        fields.iter().for_each(|field| attr::refuse_on_unnamed(&field.attrs, cx));
        return None;
    };
    let field = |field: &syn::Field| {
        let ident = field.ident.clone()?;
        Some(Field {
            own_name: case.of_field(&ident.unraw().to_string()),
            ident,
            ty: field.ty.clone(),
            serde: FieldAttr::read(&field.attrs),
            options: FieldOptions::read(&field.attrs, cx),
            container_default: default,
        })
    };
    Some(fields.named.iter().filter_map(field).collect())
}

/// Returns the variants of an enum.
pub(crate) fn variants(
    variants: &Punctuated<syn::Variant, Token![,]>,
    container: &ContainerAttr,
    cx: &mut Ctxt,
) -> Vec<Variant> {
    let variant = |variant: &syn::Variant| {
        attr::refuse_on_variant(&variant.attrs, cx);
        let serde = VariantAttr::read(&variant.attrs);
        let case = serde.case().or(container.variant_field_case());
        Variant {
            ident: variant.ident.clone(),
            fields: named_fields(&variant.fields, case, false, cx),
            is_tuple: matches!(variant.fields, Fields::Unnamed(_)),
            serde,
        }
    };
    variants.iter().map(variant).collect()
}

/// Returns the only field of a transparent struct that serde writes.
pub(crate) fn transparent_field(fields: &Fields) -> Option<Member> {
    let written = |field: &syn::Field| {
        FieldAttr::read(&field.attrs).skipped().is_none()
            && last_segment(&field.ty).is_none_or(|ty| ty != "PhantomData")
    };
    let mut written = fields.members().zip(fields).filter(|(_, field)| written(field));
    match (written.next(), written.next()) {
        (Some((member, _)), None) => Some(member),
        _ => None,
    }
}

fn is_option(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|ty| ty == "Option")
}

/// Returns the last segment of a path, such as `Option` in `std::option::Option<T>`.
fn last_segment(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}
