//! The lints that an expansion switches off, because they would be reported for tokens that the user has written once
//! and that the expansion repeats.
//!
//! A lint that the crate forbids cannot be switched off, and the attempt is an error. Therefore `deprecated` is
//! switched off only for a type that needs it, as the derives of serde do.

use proc_macro2::TokenStream;
use quote::quote;
use syn::visit::{self, Visit};
use syn::{Attribute, DeriveInput};

/// Returns the attribute for the expansion of a derive.
pub(crate) fn of_derive(input: &DeriveInput) -> TokenStream {
    let mut finder = Deprecations::default();
    finder.visit_derive_input(input);
    let deprecated = finder.found.then(|| quote!(#[allow(deprecated)]));
    quote! {
        #deprecated
        #[allow(unused_qualifications, clippy::absolute_paths)]
    }
}

/// Returns the attribute for the expansion of `register!`, which may be in a function while its type is not.
pub(crate) fn of_registration() -> TokenStream {
    quote!(#[allow(non_local_definitions)])
}

/// Finds whether a part of a type is deprecated, or uses something that is.
#[derive(Default)]
struct Deprecations {
    found: bool,
}

impl<'ast> Visit<'ast> for Deprecations {
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let path = attribute.path();
        self.found |= path.is_ident("deprecated");
        if path.is_ident("allow") || path.is_ident("expect") {
            // A list may end with `reason = "…"`, where the parser stops with an error.
            let _ = attribute.parse_nested_meta(|lint| {
                self.found |= lint.path.is_ident("deprecated");
                Ok(())
            });
        }
        visit::visit_attribute(self, attribute);
    }
}
