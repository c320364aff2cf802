//! Tests that compare the expansions of the macros with snapshots.

use proc_macro2::TokenStream;
use syn::parse_quote;

use crate::identity::Root;
use crate::{entity, event_stream, register, scope};

fn pretty(expansion: TokenStream) -> String {
    let file = syn::parse2(expansion).expect("an expansion is a list of items");
    prettyplease::unparse(&file)
}

#[test]
fn a_struct_declares_each_field() {
    let expansion = pretty(entity::derive(
        &parse_quote! {
            #[entity(name = "Customer", table = "customers", provider = "crm", route = "customers", alias = "Client")]
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
        },
        Root::Framework,
    ));
    insta::assert_snapshot!(expansion);
}

#[test]
fn an_enum_declares_the_fields_of_each_variant() {
    let expansion = pretty(entity::derive(
        &parse_quote! {
            #[serde(tag = "kind")]
            #[entity(crate = "crate::kb")]
            enum Contact {
                Mail { id: i64, address: String },
                Phone { number: String, id: i64 },
            }
        },
        Root::Framework,
    ));
    insta::assert_snapshot!(expansion);
}

#[test]
fn a_newtype_is_traced() {
    let expansion = pretty(entity::derive(
        &parse_quote! {
            #[serde(transparent)]
            #[entity(key = "id as ID: u64, no: i32")]
            #[entity_backup]
            struct UserPage(Page<User>);
        },
        Root::Framework,
    ));
    insta::assert_snapshot!(expansion);
}

#[test]
fn a_registration_is_traced() {
    let expansion = pretty(register::expand(
        quote::quote! {
            models::Page<User>, name = "UserPage", key = "id: u64", backup(enabled = false, reason = "a copy")
        },
        Root::Framework,
    ));
    insta::assert_snapshot!(expansion);
}

#[test]
fn a_scope_is_one_static() {
    let expansion =
        pretty(scope::expand(quote::quote!(mode = None, include_schema_by_default = false), Root::Framework));
    insta::assert_snapshot!(expansion);
}

#[test]
fn after_an_error_the_type_is_still_an_entity_and_is_not_registered() {
    let expansion = pretty(entity::derive(
        &parse_quote! {
            #[entity(nmae = "Page")]
            struct Page<T: Clone> where T: Send {
                id: i64,
                items: Vec<T>,
            }
        },
        Root::Framework,
    ));
    insta::assert_snapshot!(expansion);
}

#[test]
fn an_event_type_declares_the_parts_of_its_streams() {
    let expansion = pretty(event_stream::derive(
        &parse_quote! {
            #[serde(tag = "type", content = "payload")]
            #[event_stream(object = "order", provider = "events", tag = "type", content = "payload")]
            #[entity_backup(encrypt)]
            enum OrderEvent {
                Placed { total: i64 },
                Cancelled,
            }
        },
        Root::Framework,
    ));
    insta::assert_snapshot!(expansion);
}

#[test]
fn after_an_error_the_type_is_still_an_event_type_and_is_not_registered() {
    let expansion = pretty(event_stream::derive(
        &parse_quote! {
            #[event_stream(objekt = "order")]
            struct Events<T: Clone>(T) where T: Send;
        },
        Root::Framework,
    ));
    insta::assert_snapshot!(expansion);
}

#[test]
fn the_macros_of_the_crate_for_models_refer_to_that_crate() {
    let user = parse_quote! {
        struct User {
            id: i64,
        }
    };
    let event = parse_quote! {
        #[event_stream(object = "user")]
        struct UserEvent;
    };
    let page = quote::quote!(Page<User>, name = "UserPage", key = "id: u64");
    let expansions = [
        entity::derive(&user, Root::Entity),
        event_stream::derive(&event, Root::Entity),
        register::expand(page, Root::Entity),
        scope::expand(quote::quote!(mode = All), Root::Entity),
    ];
    for expansion in expansions {
        let text = pretty(expansion);
        assert!(text.contains("::koan_backup_entity::__private"), "{text}");
        assert!(!text.contains("::koan_backup::"), "the expansion needs the whole framework: {text}");
    }
}

/// A crate may have a dependency called `core` or `std`, or no `std` at all.
#[test]
fn expansions_refer_to_the_standard_library_only_through_the_private_module() {
    let tagged = parse_quote! {
        #[serde(tag = "kind")]
        #[entity(key = "base.id: i64")]
        #[entity_backup(encrypt)]
        struct Tagged {
            #[serde(flatten, with = "custom")]
            rest: Rest,
            #[serde(flatten)]
            base: Base,
        }
    };
    let contact = parse_quote! {
        #[serde(tag = "kind")]
        enum Contact {
            Mail { id: i64 },
            Phone { id: i64 },
        }
    };
    let wrong = parse_quote! {
        struct Wrong {
            name: u8,
        }
    };
    let event = parse_quote! {
        #[event_stream(object = "contact")]
        #[entity_backup(encrypt)]
        struct ContactEvent;
    };
    let wrong_event = parse_quote! {
        struct WrongEvent;
    };
    let page = quote::quote!(Page<User>, name = "UserPage", key = "id: u64", table = "pages");
    let expansions = [
        event_stream::derive(&event, Root::Framework),
        event_stream::derive(&wrong_event, Root::Framework),
        entity::derive(&tagged, Root::Framework),
        entity::derive(&contact, Root::Framework),
        entity::derive(&wrong, Root::Framework),
        register::expand(page, Root::Framework),
        scope::expand(quote::quote!(mode = All, encrypt_by_default), Root::Framework),
    ];
    for expansion in expansions {
        let text = pretty(expansion).replace("::core::compile_error!", "");
        let direct: Vec<_> = text
            .match_indices("::core::")
            .chain(text.match_indices("::std::"))
            .filter(|(at, _)| !text[..*at].ends_with("__koan"))
            .map(|(at, _)| &text[at..(at + 40).min(text.len())])
            .collect();
        assert!(direct.is_empty(), "{direct:?}");
    }
}
