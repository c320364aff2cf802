//! The macros of `koan-backup`, which re-exports them. Depend on that crate, not on this one.

mod ctxt;
mod declaration;
mod entity;
mod identity;
mod key_list;
mod name;
mod options;
mod policy;
mod register;
mod scope;
mod setting;
mod spelling;
mod typed_key;

use proc_macro::TokenStream;

/// Makes a serde type known as an entity.
#[proc_macro_derive(Entity, attributes(entity, entity_backup))]
pub fn derive_entity(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    entity::derive(&input).into()
}

/// Declares the default policy of a crate.
#[proc_macro]
pub fn entity_backup_scope(input: TokenStream) -> TokenStream {
    scope::expand(input.into()).into()
}

/// Registers an entity whose type cannot carry the derive.
#[proc_macro]
pub fn register(input: TokenStream) -> TokenStream {
    register::expand(input.into()).into()
}
