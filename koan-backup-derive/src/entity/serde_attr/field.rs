//! The `#[serde(…)]` attributes of a field.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, ExprPath};

use super::Rename;
use crate::ctxt::Ctxt;
use crate::options::Opt;

/// The options of serde for a field.
#[derive(Debug, Default)]
pub(crate) struct FieldAttr {
    pub(crate) default: bool,
    pub(crate) flatten: Option<Ident>,
    pub(crate) skip_serializing_if: Option<Ident>,
    /// The function that writes the field.
    pub(crate) serialize_with: Option<TokenStream>,
    /// The function that reads the field.
    pub(crate) deserialize_with: Option<TokenStream>,
    rename: Option<Rename>,
    borrow: Option<Ident>,
    skip: Option<Ident>,
    skip_serializing: Option<Ident>,
    skip_deserializing: Option<Ident>,
}

impl FieldAttr {
    /// Reads the attributes.
    pub(crate) fn read(attributes: &[Attribute]) -> Self {
        let mut attr = Self::default();
        for option in super::options(attributes) {
            match option.name.to_string().as_str() {
                "default" => attr.default = true,
                "with" => {
                    let module = path(&option);
                    // A function that the module lacks is reported at the name of the module.
                    let function = |name: &str| {
                        let module = module.as_ref()?;
                        let name = Ident::new(name, module.span());
                        Some(quote_spanned!(module.span()=> #module::#name))
                    };
                    attr.serialize_with = function("serialize");
                    attr.deserialize_with = function("deserialize");
                }
                "serialize_with" => attr.serialize_with = path(&option).map(|path| quote!(#path)),
                "deserialize_with" => attr.deserialize_with = path(&option).map(|path| quote!(#path)),
                "rename" => attr.rename = Some(Rename::read(&option)),
                "borrow" => attr.borrow = Some(option.name),
                "flatten" => attr.flatten = Some(option.name),
                "skip" => attr.skip = Some(option.name),
                "skip_serializing" => attr.skip_serializing = Some(option.name),
                "skip_deserializing" => attr.skip_deserializing = Some(option.name),
                "skip_serializing_if" => attr.skip_serializing_if = Some(option.name),
                _ => {}
            }
        }
        attr
    }

    /// Returns the name of the `rename` option.
    pub(crate) fn renamed(&self) -> Option<&str> {
        self.rename.as_ref().and_then(Rename::written)
    }

    /// Returns the option by which serde neither writes nor reads the field.
    pub(crate) fn skipped(&self) -> Option<&Ident> {
        self.skip.as_ref().or_else(|| self.skip_deserializing.as_ref().and(self.skip_serializing.as_ref()))
    }

    /// Adds errors for options with which a record could not be read back. `name` is the serde name without
    /// `rename`; `optional` is whether serde can read a record without the field.
    pub(crate) fn check(&self, name: &str, optional: bool, cx: &mut Ctxt) {
        if self.skipped().is_some() {
            return;
        }
        if let Some(rename) = &self.rename {
            rename.check(name, cx);
        }
        if let Some(at) = &self.borrow {
            cx.error(
                at,
                "a record that is read from an archive cannot borrow from it; remove `borrow`, and use an owned type",
            );
        }
        if let Some(at) = &self.skip_serializing {
            cx.error(
                at,
                "this field is read but never written, so a backup would lose it; use `skip`, or \
                 remove `skip_serializing`",
            );
        }
        if let Some(at) = &self.skip_deserializing {
            cx.error(
                at,
                "this field is written but never read, so a restore would lose it; use `skip`, or \
                 remove `skip_deserializing`",
            );
        }
        if let Some(at) = self.skip_serializing_if.as_ref().filter(|_| !optional) {
            cx.error(
                at,
                "serde reads a record without this field only if the field is an `Option` or has a default; add `default`",
            );
        }
    }
}

fn path(option: &Opt) -> Option<ExprPath> {
    option.as_string().and_then(|path| path.parse().ok())
}
