//! A key whose fields belong to another type, so that their types are declared with their names.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use crate::ctxt::Ctxt;
use crate::declaration::{KeyExpansion, ShapeExpansion};
use crate::identity::Key;
use crate::key_list::KeyList;
use crate::key_type;
use crate::spelling;

/// Expands the key and the shape of a type that has no fields of its own. Such a type must declare a key.
pub(crate) fn expand_required_key(
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
                if let Some(fault) = key_type::fault(ty) {
                    cx.error(&list.literal, format!("the key field `{}` {fault}", part.name()));
                }
                parts.push(typed_part(ty, &part.value(access)));
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

/// Expands the type and the value of a key field with a declared type. The compiler compares it with the type of the
/// field.
pub(crate) fn typed_part(ty: &Type, value: &TokenStream) -> (TokenStream, TokenStream) {
    let span = Span::call_site().located_at(ty.span());
    let value = located_at(quote!(&#value), span);
    let clone =
        quote_spanned!(span=> __koan::core::clone::Clone::clone(__koan::declared_key::<#ty, _>(#value)));
    (ty.to_token_stream(), clone)
}

/// Moves the position of expanded tokens to `span`, where their errors are reported. Their hygiene stays.
pub(crate) fn located_at(tokens: TokenStream, span: Span) -> TokenStream {
    let moved = tokens.into_iter().map(|mut token| {
        token.set_span(token.span().located_at(span));
        token
    });
    moved.collect()
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
    let key = list.parts.iter().filter_map(|part| {
        let path = std::iter::once(&part.field).chain(&part.within);
        Some(declaration(&part.serde_name(), part.ty.as_ref()?, path))
    });
    ShapeExpansion { constants: TokenStream::new(), value: traced_shape(ty, key) }
}

/// Expands the `KeyDeclaration` of a key field. `path` leads from the outermost field to the key field.
pub(crate) fn declaration<'a>(
    serde_name: &str,
    ty: impl ToTokens,
    path: impl Iterator<Item = &'a Ident>,
) -> TokenStream {
    let text = spelling::of(&ty);
    let mut through: Vec<String> = path.map(|field| field.unraw().to_string()).collect();
    through.pop();
    let through = (!through.is_empty()).then(|| quote!(.through(&[#(#through),*])));
    quote!(__koan::KeyDeclaration::new::<#ty>(#serde_name, #text) #through)
}

/// Expands the shape of `ty`, which is traced from its `Deserialize`.
pub(crate) fn traced_shape(ty: &TokenStream, key: impl Iterator<Item = TokenStream>) -> TokenStream {
    quote!(__koan::Shape::traced::<#ty>(&[#(#key),*]))
}
