//! The completion and the hover text of options in rust-analyzer.
//!
//! rust-analyzer knows nothing about the options of a macro. An expansion therefore refers to each option by its
//! token in the source, as a constant in a module that documents the options. The references exist only under
//! `cfg(rust_analyzer)`, so the compiler skips them. They come first in an expansion, because rust-analyzer
//! looks for the place of an incomplete name by its offset. The crate `bon` does the same with imports.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote};
use syn::visit::{self, Visit};
use syn::{Attribute, DeriveInput, Field, Meta};

/// The name of a hidden item of each module.
const PLACEHOLDER: &str = "__option";

/// The names of options in the source, by the modules that document them.
#[derive(Default)]
pub(crate) struct Hints {
    names: Vec<(&'static str, Ident)>,
}

impl Hints {
    /// Collects the options of `#[entity(…)]` and `#[entity_backup(…)]`.
    pub(crate) fn of_derive(input: &DeriveInput) -> Self {
        let mut hints = Self::default();
        for attribute in &input.attrs {
            hints.attribute(attribute, "on_type");
        }
        hints.visit_data(&input.data);
        hints
    }

    /// Collects the options of `#[event_stream(…)]` and `#[entity_backup(…)]`.
    pub(crate) fn of_event_type(input: &DeriveInput) -> Self {
        let mut hints = Self::default();
        for attribute in &input.attrs {
            let Meta::List(list) = &attribute.meta else { continue };
            if attribute.path().is_ident("event_stream") {
                hints.list(&list.tokens, "of_event_stream");
            } else if attribute.path().is_ident("entity_backup") {
                hints.list(&list.tokens, "of_policy");
            }
        }
        hints
    }

    /// Collects the options of `entity_backup_scope!`.
    pub(crate) fn of_scope(options: &TokenStream) -> Self {
        let mut hints = Self::default();
        hints.list(options, "of_scope");
        hints
    }

    /// Collects the options of `register!`, which follow the type.
    pub(crate) fn of_registration(options: &TokenStream) -> Self {
        let mut hints = Self::default();
        hints.list(options, "of_registration");
        hints
    }

    /// Expands to references that only rust-analyzer sees. `private` is the path of the module that expansions
    /// refer to.
    pub(crate) fn expand(&self, private: &TokenStream) -> TokenStream {
        if self.names.is_empty() {
            return TokenStream::new();
        }
        let paths = self.names.iter().map(|(module, name)| {
            let module = format_ident!("{module}");
            quote!(#private::option_hints::#module::#name)
        });
        quote! {
            #[allow(unexpected_cfgs)]
            const _: () = {
                #[cfg(rust_analyzer)]
                {
                    #(let _ = #paths;)*
                }
            };
        }
    }

    fn attribute(&mut self, attribute: &Attribute, of_entity: &'static str) {
        let Meta::List(list) = &attribute.meta else { return };
        if attribute.path().is_ident("entity") {
            self.list(&list.tokens, of_entity);
        } else if attribute.path().is_ident("entity_backup") {
            self.list(&list.tokens, "of_policy");
        }
    }

    /// Collects the names in a list of options. While somebody types, the list may be incomplete.
    ///
    /// Each list ends with a placeholder. For an incomplete name, rust-analyzer compares two expansions, with and
    /// without the name, and expects a path of the same module at the same offset.
    fn list(&mut self, options: &TokenStream, module: &'static str) {
        let tokens: Vec<TokenTree> = options.clone().into_iter().collect();
        let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ',');
        for option in tokens.split(is_comma) {
            let Some((TokenTree::Ident(name), value)) = option.split_first() else { continue };
            self.push(module, name);
            match value {
                [TokenTree::Group(group), ..] if name == "backup" => self.list(&group.stream(), "of_policy"),
                [TokenTree::Punct(_), value @ ..] if name == "mode" => {
                    self.list(&value.iter().cloned().collect(), "of_mode");
                }
                _ => {}
            }
        }
        self.names.push((module, Ident::new(PLACEHOLDER, Span::call_site())));
    }

    fn push(&mut self, module: &'static str, name: &Ident) {
        // A keyword such as `crate` cannot be the name of an item.
        if syn::parse_str::<Ident>(&name.to_string()).is_ok() {
            self.names.push((module, name.clone()));
        }
    }
}

impl<'ast> Visit<'ast> for Hints {
    fn visit_field(&mut self, field: &'ast Field) {
        for attribute in &field.attrs {
            self.attribute(attribute, "on_field");
        }
        visit::visit_field(self, field);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use quote::quote;
    use syn::{Item, UseTree};

    use super::{Hints, PLACEHOLDER};
    use crate::place::Place;

    /// Returns the names in a module of the file that documents the options.
    fn documented(module: &str) -> BTreeSet<String> {
        let file = include_str!("../../koan-backup/entity/src/entity/option_hints.rs");
        let file = syn::parse_file(file).expect("the file is Rust");
        let items = file.items.into_iter().find_map(|item| match item {
            Item::Mod(found) if found.ident == module => found.content.map(|(_, items)| items),
            _ => None,
        });
        let items = items.unwrap_or_else(|| panic!("there is no module `{module}`"));
        let names = items.into_iter().flat_map(|item| match item {
            Item::Const(item) => vec![item.ident.to_string()],
            Item::Use(item) => names_of(&item.tree),
            _ => Vec::new(),
        });
        names.collect()
    }

    fn names_of(tree: &UseTree) -> Vec<String> {
        match tree {
            UseTree::Path(path) => names_of(&path.tree),
            UseTree::Group(group) => group.items.iter().flat_map(names_of).collect(),
            UseTree::Name(name) => vec![name.ident.to_string()],
            UseTree::Rename(_) | UseTree::Glob(_) => Vec::new(),
        }
    }

    #[test]
    fn each_option_of_each_place_is_documented_for_rust_analyzer() {
        for (module, place) in [
            ("on_type", Place::Type),
            ("on_field", Place::Field),
            ("of_policy", Place::Policy),
            ("of_scope", Place::Scope),
            ("of_registration", Place::Registration),
            ("of_event_stream", Place::Stream),
        ] {
            let options = place.known().iter().filter(|option| **option != "crate");
            let mut expected: BTreeSet<String> = options.map(|option| (*option).to_owned()).collect();
            expected.insert(PLACEHOLDER.to_owned());
            assert_eq!(documented(module), expected, "{module}");
        }
        assert_eq!(documented("of_mode"), ["All", "None", PLACEHOLDER].map(str::to_owned).into());
    }

    #[test]
    fn an_incomplete_list_refers_to_the_names_in_it_and_to_a_placeholder_at_its_end() {
        let names = |hints: &Hints| {
            hints.names.iter().map(|(module, name)| format!("{module}::{name}")).collect::<Vec<_>>().join(" ")
        };
        let hints = Hints::of_scope(&quote!(crate = kb, mode =));
        assert_eq!(names(&hints), "of_scope::mode of_mode::__option of_scope::__option");
        let hints = Hints::of_registration(&quote!(name = "User", backup(encrypt, in), t));
        assert_eq!(
            names(&hints),
            "of_registration::name of_registration::backup of_policy::encrypt of_policy::__option \
             of_registration::t of_registration::__option"
        );
        assert!(
            Hints::of_derive(&syn::parse_quote!(
                struct User {
                    id: i64,
                }
            ))
            .names
            .is_empty()
        );
    }
}
