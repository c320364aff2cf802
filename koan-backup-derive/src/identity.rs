//! The name, the location and the key of an entity: the options that `#[entity(…)]` and `register!` share.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{LitStr, Path};

use crate::ctxt::Ctxt;
use crate::key_list::{self, KeyList};
use crate::name;
use crate::options::Opt;
use crate::place::Known;
use crate::setting::Setting;

/// The crate that re-exports a macro. Its expansion refers to this crate, unless the option `crate` names another.
#[derive(Clone, Copy)]
pub(crate) enum Root {
    /// `koan-backup`.
    Framework,
    /// `koan-backup-entity`.
    Entity,
}

/// The options before they are checked.
#[derive(Default)]
pub(crate) struct IdentityOptions {
    name: Setting<LitStr>,
    table: Setting<LitStr>,
    provider: Setting<LitStr>,
    route: Setting<LitStr>,
    aliases: Vec<LitStr>,
    key: Setting<LitStr>,
    krate: Setting<Path>,
}

/// The checked options.
pub(crate) struct Identity {
    /// The declared name. With `None`, the name is the identifier of the type.
    pub(crate) name: Option<String>,
    pub(crate) table: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) route: Option<String>,
    pub(crate) aliases: Vec<String>,
    pub(crate) key: Key,
}

/// The key as it is declared on the type.
pub(crate) enum Key {
    /// The type declares no key.
    Undeclared,
    /// The declaration of the key is invalid, and the error was added.
    Invalid,
    /// A list of fields.
    List(KeyList),
}

impl IdentityOptions {
    /// Reads an option if it belongs to the identity.
    pub(crate) fn read(&mut self, option: &Opt, known: Known, cx: &mut Ctxt) {
        match known {
            Known::Option("name") => self.name.set(option, option.string(cx), cx),
            Known::Option("table") => self.table.set(option, option.string(cx), cx),
            Known::Option("provider") => self.provider.set(option, option.string(cx), cx),
            Known::Option("route") => self.route.set(option, option.string(cx), cx),
            Known::Option("alias") => self.aliases.extend(option.strings(cx)),
            Known::Option("key") => self.key.set(option, option.string(cx), cx),
            Known::Option("crate") => self.krate.set(option, option.path(cx), cx),
            Known::Meant("name") => self.name.set_invalid(option),
            Known::Meant("key") => self.key.set_invalid(option),
            Known::Option(_) | Known::Meant(_) | Known::Unknown => {}
        }
    }

    /// Returns whether a name is declared.
    pub(crate) fn is_named(&self) -> bool {
        self.name.name().is_some()
    }

    /// Returns the path of the module that expansions refer to.
    pub(crate) fn private(&self, root: Root) -> TokenStream {
        root.private(self.krate.get())
    }

    /// Checks the options. `identifier` is the identifier of the type.
    pub(crate) fn check(self, identifier: &str, cx: &mut Ctxt) -> Identity {
        let key = match (self.key.name().is_some(), self.key.take()) {
            (false, _) => Key::Undeclared,
            (true, None) => Key::Invalid,
            (true, Some(literal)) => key_list::parse(literal, cx).map_or(Key::Invalid, Key::List),
        };
        let name = self.name.get().and_then(|literal| name::entity(literal, cx));
        let mut aliases: Vec<String> = Vec::new();
        for literal in &self.aliases {
            let Some(alias) = name::entity(literal, cx) else { continue };
            if alias == name.as_deref().unwrap_or(identifier) {
                cx.error(literal, format!("`{alias}` is already the name of this entity; remove the alias"));
            } else if aliases.contains(&alias) {
                cx.error(literal, format!("duplicate alias `{alias}`; remove one of them"));
            }
            aliases.push(alias);
        }
        Identity {
            name,
            table: self.table.get().and_then(|literal| name::in_database(literal, "table", cx)),
            provider: self.provider.get().and_then(|literal| name::text(literal, "provider", cx)),
            route: self.route.get().and_then(|literal| name::route(literal, cx)),
            aliases,
            key,
        }
    }
}

impl Root {
    /// Returns the path of the module that expansions refer to. `krate` is the value of the option `crate`.
    pub(crate) fn private(self, krate: Option<&Path>) -> TokenStream {
        let krate = krate.map_or_else(
            || match self {
                Self::Framework => quote!(::koan_backup),
                Self::Entity => quote!(::koan_backup_entity),
            },
            ToTokens::to_token_stream,
        );
        quote!(#krate::__private)
    }
}
