//! Tests that compare the expansions of the macros with snapshots.

use proc_macro2::TokenStream;
use syn::parse_quote;

use crate::{entity, register, scope};

fn pretty(expansion: TokenStream) -> String {
    let file = syn::parse2(expansion).expect("an expansion is a list of items");
    prettyplease::unparse(&file)
}

#[test]
fn a_struct_declares_each_field() {
    let expansion = pretty(entity::derive(&parse_quote! {
        #[entity(name = "Customer", table = "customers", provider = "crm", alias = "Client")]
        #[entity_backup(encrypt, include_schema = false)]
        #[serde(rename_all = "camelCase")]
        struct CustomerRow {
            #[entity(key)]
            tenant_id: i64,
            #[entity(key, column = "No")]
            r#type: Vec<u8>,
            #[serde(with = "hex", default)]
            blob: Vec<u8>,
            #[serde(flatten)]
            rest: std::collections::BTreeMap<String, Box<dyn Fn(Self, u8) -> [u8; 4] + 'static>>,
            #[serde(skip)]
            cached: u8,
        }
    }));
    insta::assert_snapshot!(expansion);
}

#[test]
fn an_enum_declares_the_fields_of_each_variant() {
    let expansion = pretty(entity::derive(&parse_quote! {
        #[serde(tag = "kind")]
        #[entity(crate = "crate::kb")]
        enum Contact {
            Mail { id: i64, address: String },
            Phone { number: String, id: i64 },
        }
    }));
    insta::assert_snapshot!(expansion);
}

#[test]
fn a_newtype_is_traced() {
    let expansion = pretty(entity::derive(&parse_quote! {
        #[serde(transparent)]
        #[entity(key = "id as ID: u64, no: i32")]
        #[entity_backup]
        struct UserPage(Page<User>);
    }));
    insta::assert_snapshot!(expansion);
}

#[test]
fn a_registration_is_traced() {
    let expansion = pretty(register::expand(quote::quote! {
        models::Page<User>, name = "UserPage", key = "id: u64", backup(enabled = false, reason = "a copy")
    }));
    insta::assert_snapshot!(expansion);
}

#[test]
fn a_scope_is_one_static() {
    let expansion = pretty(scope::expand(quote::quote!(mode = None, include_schema_by_default = false)));
    insta::assert_snapshot!(expansion);
}

#[test]
fn after_an_error_the_type_is_still_an_entity_and_is_not_registered() {
    let expansion = pretty(entity::derive(&parse_quote! {
        #[entity(nmae = "Page")]
        struct Page<T: Clone> where T: Send {
            id: i64,
            items: Vec<T>,
        }
    }));
    insta::assert_snapshot!(expansion);
}
