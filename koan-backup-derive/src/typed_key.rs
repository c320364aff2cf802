//! A key whose fields belong to another type, so that their types are declared with their names.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use crate::ctxt::Ctxt;
use crate::declaration::{KeyExpansion, ShapeExpansion};
use crate::identity::Key;
use crate::key_list::KeyList;
use crate::spelling;

/// Expands the key and the shape of a type without its own fields, which must declare a key.
pub(crate) fn required(
    key: &Key,
    at: impl ToTokens,
    access: &TokenStream,
    ty: &TokenStream,
    cx: &mut Ctxt,
) -> Option<(KeyExpansion, ShapeExpansion)> {
    match key {
        Key::Invalid => None,
        Key::List(list) => expand(list, access, ty, cx),
        Key::Undeclared => {
            cx.error(
                at,
                "this type has no key; add `key = \"id: i64\"`, with the names and types of the key fields",
            );
            None
        }
    }
}

/// Expands a key whose fields are accessed through `access`, and the shape of `ty`, which is traced from its
/// `Deserialize`.
fn expand(
    list: &KeyList,
    access: &TokenStream,
    ty: &TokenStream,
    cx: &mut Ctxt,
) -> Option<(KeyExpansion, ShapeExpansion)> {
    let mut parts = Vec::new();
    for part in &list.parts {
        match &part.ty {
            Some(ty) => {
                let field = &part.field;
                parts.push((ty.to_token_stream(), quote!(::core::clone::Clone::clone(&#access.#field))));
            }
            None => {
                let name = part.name();
                cx.error(
                    &list.literal,
                    format!(
                        "the type of the key field `{name}` is not visible here; write it: `key = \"{name}: \
                         i64\"`"
                    ),
                );
            }
        }
    }
    (parts.len() == list.parts.len()).then(|| (key(parts), traced(list, ty)))
}

/// Expands a key from the types and the value expressions of its fields.
pub(crate) fn key(mut parts: Vec<(TokenStream, TokenStream)>) -> KeyExpansion {
    let (ty, body) = match parts.len() {
        1 => parts.swap_remove(0),
        _ => {
            let (types, values): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
            (quote!((#(#types),*)), quote!((#(#values),*)))
        }
    };
    KeyExpansion { text: spelling::of(&ty), ty, body }
}

fn traced(list: &KeyList, ty: &TokenStream) -> ShapeExpansion {
    let names = list.parts.iter().map(|part| part.serde_name.clone().unwrap_or_else(|| part.name()));
    ShapeExpansion { constants: TokenStream::new(), value: traced_shape(ty, names) }
}

/// Expands the shape of `ty`, which is traced from its `Deserialize`.
pub(crate) fn traced_shape(ty: &TokenStream, key: impl Iterator<Item = String>) -> TokenStream {
    quote!(__koan::Shape::traced::<#ty>(&[#(#key),*]))
}
