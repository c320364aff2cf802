//! A type as it was declared: its fields or variants, with what the attributes say of them.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Fields, Member, Token, Type};

use super::attr::{self, FieldOptions};
use super::serde_attr::{Case, ContainerAttr, FieldAttr, VariantAttr};
use crate::ctxt::Ctxt;

/// A named field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) serde: FieldAttr,
    pub(crate) options: FieldOptions,
    /// What serde calls it, without `rename` on the field itself.
    pub(crate) own_name: String,
    /// Whether the type says `#[serde(default)]`.
    pub(crate) container_default: bool,
}

/// A variant, or the struct itself.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) ident: Ident,
    pub(crate) serde: VariantAttr,
    /// `None` for a unit or tuple variant.
    pub(crate) fields: Option<Vec<Field>>,
}

impl Field {
    /// Its name in the source, without `r#`.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// What serde calls it.
    pub(crate) fn serde_name(&self) -> &str {
        self.serde.renamed().unwrap_or(&self.own_name)
    }

    /// Whether serde fills it in where it is not there.
    pub(crate) fn defaulted(&self) -> bool {
        self.serde.default || self.container_default
    }

    /// Whether serde reads a record without it.
    pub(crate) fn optional(&self) -> bool {
        self.defaulted() || (self.serde.deserialize_with.is_none() && is_option(&self.ty))
    }
}

/// The named fields of a struct or a variant.
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

/// The variants of an enum.
pub(crate) fn variants(
    variants: &Punctuated<syn::Variant, Token![,]>,
    container: &ContainerAttr,
    cx: &mut Ctxt,
) -> Vec<Variant> {
    let variant = |variant: &syn::Variant| {
        attr::refuse_on_variant(&variant.attrs, cx);
        let serde = VariantAttr::read(&variant.attrs);
        let case = serde.case().or(container.case_of_variants());
        Variant {
            ident: variant.ident.clone(),
            fields: named_fields(&variant.fields, case, false, cx),
            serde,
        }
    };
    variants.iter().map(variant).collect()
}

/// The one field that serde writes of a transparent struct.
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

/// The last name of a path, such as the `Option` of `std::option::Option<T>`.
fn last_segment(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}
