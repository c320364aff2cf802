//! What an entity is called, where it is kept, and what identifies a record: the options that `#[entity(…)]` and
//! `register!` share.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{LitStr, Path};

use crate::ctxt::Ctxt;
use crate::key_list::{self, KeyList};
use crate::name;
use crate::options::Opt;
use crate::setting::Setting;

/// The options as they were written.
#[derive(Debug, Default)]
pub(crate) struct IdentityOptions {
    name: Setting<LitStr>,
    table: Setting<LitStr>,
    provider: Setting<LitStr>,
    aliases: Vec<LitStr>,
    key: Setting<LitStr>,
    krate: Setting<Path>,
}

/// Options without mistakes.
#[derive(Debug)]
pub(crate) struct Identity {
    /// `None` for the identifier of the type.
    pub(crate) name: Option<String>,
    pub(crate) table: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) aliases: Vec<String>,
    pub(crate) key: Key,
}

/// The key as it is declared on the type.
#[derive(Debug)]
pub(crate) enum Key {
    /// Not at all.
    Unwritten,
    /// With a mistake, which was reported.
    Mistaken,
    /// As a list of fields.
    List(KeyList),
}

impl IdentityOptions {
    /// Takes an option if it is one of these.
    pub(crate) fn read(&mut self, option: &Opt, cx: &mut Ctxt) -> bool {
        match option.name.to_string().as_str() {
            "name" => self.name.set(option, option.string(cx), cx),
            "table" => self.table.set(option, option.string(cx), cx),
            "provider" => self.provider.set(option, option.string(cx), cx),
            "alias" => self.aliases.extend(option.strings(cx)),
            "key" => self.key.set(option, option.string(cx), cx),
            "crate" => self.krate.set(option, option.path(cx), cx),
            _ => return false,
        }
        true
    }

    /// Whether a name was written.
    pub(crate) fn is_named(&self) -> bool {
        self.name.name().is_some()
    }

    /// The path of what expansions name.
    pub(crate) fn private(&self) -> TokenStream {
        private(self.krate.get())
    }

    /// Checks each option by itself. `own_name` is the identifier of the type.
    pub(crate) fn check(self, own_name: &str, cx: &mut Ctxt) -> Identity {
        let key = match (self.key.name().is_some(), self.key.take()) {
            (false, _) => Key::Unwritten,
            (true, None) => Key::Mistaken,
            (true, Some(literal)) => key_list::parse(literal, cx).map_or(Key::Mistaken, Key::List),
        };
        let name = self.name.get().and_then(|literal| name::entity(literal, cx));
        let mut aliases: Vec<String> = Vec::new();
        for literal in &self.aliases {
            let Some(alias) = name::entity(literal, cx) else { continue };
            if alias == name.as_deref().unwrap_or(own_name) {
                cx.error(literal, format!("`{alias}` is the name of this entity already; remove the alias"));
            } else if aliases.contains(&alias) {
                cx.error(literal, format!("duplicate alias `{alias}`; remove one of them"));
            }
            aliases.push(alias);
        }
        Identity {
            name,
            table: self.table.get().and_then(|literal| name::in_database(literal, "table", cx)),
            provider: self.provider.get().and_then(|literal| name::text(literal, "provider", cx)),
            aliases,
            key,
        }
    }
}

/// The path of what expansions name, where `krate` is what was written for it.
pub(crate) fn private(krate: Option<&Path>) -> TokenStream {
    let krate = krate.map_or_else(|| quote!(::koan_backup), ToTokens::to_token_stream);
    quote!(#krate::__private)
}
