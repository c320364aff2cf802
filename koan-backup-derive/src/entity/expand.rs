//! The parts of an expansion that describe the fields and the key.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::column::Columns;
use super::form::Body;
use super::key::{KeyField, NestedKey};
use super::model::Field;
use crate::declaration::{KeyExpansion, ShapeExpansion};
use crate::spelling;
use crate::typed_key;

/// Expands the shape of a type with its own fields.
pub(crate) fn shape(ident: &Ident, body: &Body, key: &[KeyField], columns: &Columns) -> ShapeExpansion {
    if body.converted {
        let key = key.iter().filter_map(|key| {
            let ty = match &key.nested {
                Some(nested) => &nested.ty,
                None => {
                    &body.variants.first()?.fields.iter().flatten().find(|field| field.name() == key.name)?.ty
                }
            };
            let (name, text) = (&key.serde_name, spelling::of(without_self(ty.to_token_stream(), ident)));
            Some(quote!(__koan::KeyDeclaration::converted(#name, #text)))
        });
        let value = typed_key::traced_shape(&ident.to_token_stream(), key);
        return ShapeExpansion { constants: TokenStream::new(), value };
    }
    let variants = body.variants.iter().filter(|variant| !variant.serde.skipped());
    let fields = variants.map(|variant| {
        let fields = variant.fields.iter().flatten().filter(|field| field.serde.skipped().is_none());
        let fields = fields.map(|field| declaration(ident, field, key, columns));
        // For a struct with a tag, serde writes the name of the struct, but can read a record without it.
        let tag = body.tag.iter().filter(|_| !body.is_enum).map(
            |tag| quote!(__koan::FieldDeclaration::new::<__koan::std::string::String>(#tag, "String").defaulted().tag()),
        );
        let all = tag.chain(fields);
        quote!(&[#(#all),*])
    });
    if body.is_enum {
        let tag = crate::policy::optional(body.tag.as_ref());
        ShapeExpansion {
            constants: quote!(const __VARIANTS: &[&[__koan::FieldDeclaration]] = &[#(#fields),*];),
            value: quote!(__koan::Shape::Enum { tag: #tag, variants: __VARIANTS }),
        }
    } else {
        ShapeExpansion {
            constants: quote!(const __FIELDS: &[__koan::FieldDeclaration] = #(#fields)*;),
            value: quote!(__koan::Shape::Struct(__FIELDS)),
        }
    }
}

/// Expands one `FieldDeclaration`.
fn declaration(ident: &Ident, field: &Field, key: &[KeyField], columns: &Columns) -> TokenStream {
    let name = field.serde_name();
    let text = spelling::of(&field.ty);
    let ty = without_self(field.ty.to_token_stream(), ident);
    let mut declaration = match (&field.serde.flatten, adapters(&ty, field)) {
        (None, None) => quote!(__koan::FieldDeclaration::new::<#ty>(#name, #text)),
        (None, Some(adapters)) => quote!(__koan::FieldDeclaration::adapted(#name, #text, #adapters)),
        (Some(_), None) => quote!(__koan::FieldDeclaration::flattened::<#ty>(#name, #text)),
        // The result of custom functions is unknown, so the field is declared as a map with any names.
        (Some(_), Some(_)) => quote! {
            __koan::FieldDeclaration::flattened::<
                __koan::std::collections::BTreeMap<__koan::std::string::String, __koan::std::string::String>
            >(#name, #text)
        },
    };
    if let Some((serialize, deserialize)) = functions(&ty, field) {
        declaration.extend(quote! {
            .order(|| __koan::order_with::<#ty>(
                |__deserializer| #deserialize(__deserializer),
                |__deserializer| #deserialize(__deserializer),
                |__value, __serializer| #serialize(__value, __serializer),
            ))
        });
    }
    if let Some(column) = columns.get(name) {
        declaration.extend(quote!(.column(#column)));
    }
    let is_key = |key: &&KeyField| key.name == field.name();
    if key.iter().filter(is_key).any(|key| key.nested.is_none()) {
        declaration.extend(quote!(.key()));
    }
    let nested = key.iter().filter(is_key).filter_map(|key| Some((key, key.nested.as_ref()?)));
    let nested: Vec<_> = nested
        .map(|(key, nested)| typed_key::declaration(&key.serde_name, &nested.ty, nested.within.iter()))
        .collect();
    if !nested.is_empty() {
        declaration.extend(quote!(.keys_within(&[#(#nested),*])));
    }
    if field.defaulted() {
        declaration.extend(quote!(.defaulted()));
    }
    declaration
}

/// Expands how a field is read and written, if it has custom functions.
fn adapters(ty: &TokenStream, field: &Field) -> Option<TokenStream> {
    let (serialize, deserialize) = functions(ty, field)?;
    Some(quote! {
        || __koan::traced_with::<#ty>(|__deserializer| #deserialize(__deserializer)),
        |__logical| __koan::wire_with::<#ty>(__logical, |__value, __serializer| #serialize(__value, __serializer))
    })
}

/// Returns the functions that write and read a field, if it has at least one custom function.
fn functions(ty: &TokenStream, field: &Field) -> Option<(TokenStream, TokenStream)> {
    let (serialize, deserialize) = (&field.serde.serialize_with, &field.serde.deserialize_with);
    if serialize.is_none() && deserialize.is_none() {
        return None;
    }
    let serialize = serialize.clone().unwrap_or_else(|| quote!(<#ty as __koan::serde::Serialize>::serialize));
    let deserialize =
        deserialize.clone().unwrap_or_else(|| quote!(<#ty as __koan::serde::Deserialize>::deserialize));
    Some((serialize, deserialize))
}

/// Expands `Entity::Key` and the body of `Entity::key`.
pub(crate) fn key(ident: &Ident, body: &Body, key: &[KeyField]) -> KeyExpansion {
    let mut text = String::new();
    let mut arms = body.variants.iter().map(|variant| {
        let mut bindings = Vec::new();
        let parts = key.iter().filter_map(|key| {
            let field = variant.fields.iter().flatten().find(|field| field.name() == key.name)?;
            let name = &field.ident;
            let place = if body.is_enum {
                let binding = format_ident!("__field_{}", key.name);
                if !bindings.iter().any(|(_, known)| *known == binding) {
                    bindings.push((name.clone(), binding.clone()));
                }
                binding.to_token_stream()
            } else if body.packed {
                // serde copies it as well.
                quote!({ self.#name })
            } else {
                quote!(self.#name)
            };
            Some(key_part(ident, key, field, place, body.is_enum))
        });
        let expansion = typed_key::key(parts.collect());
        if text.is_empty() {
            text.clone_from(&expansion.text);
        }
        let (variant, value) = (&variant.ident, &expansion.body);
        let (names, bindings): (Vec<_>, Vec<_>) = bindings.into_iter().unzip();
        (
            expansion.ty,
            match body.is_enum {
                true => quote!(Self::#variant { #(#names: #bindings,)* .. } => #value,),
                false => quote!(#value),
            },
        )
    });
    let (ty, first) = arms.next().unwrap_or_default();
    let rest = arms.map(|(_, arm)| arm).collect::<TokenStream>();
    let body = match body.is_enum {
        true => quote!(match self { #first #rest }),
        false => first,
    };
    KeyExpansion { ty, text, body }
}

/// Expands the type and the value of one field of the key. `place` is the field of the type, or a reference to it.
fn key_part(
    ident: &Ident,
    key: &KeyField,
    field: &Field,
    place: TokenStream,
    is_reference: bool,
) -> (TokenStream, TokenStream) {
    if let Some(NestedKey { within, ty }) = &key.nested {
        return typed_key::typed_part(ty, &quote!(#place #(.#within)*));
    }
    let ty = &field.ty;
    // An error points at the type of the field. The context of `self` stays that of the method, because the type may come
    // from the arguments of a `macro_rules!` macro, where `self` would be another one.
    let span = Span::call_site().located_at(ty.span());
    let place = if is_reference { place } else { quote!(&#place) };
    let place = typed_key::located_at(place, span);
    (
        without_self(ty.to_token_stream(), ident),
        quote_spanned!(span=> __koan::core::clone::Clone::clone(#place)),
    )
}

/// Replaces `Self`, which has no meaning outside of the type, by the type's name.
fn without_self(tokens: TokenStream, ident: &Ident) -> TokenStream {
    let replace = |token| match token {
        TokenTree::Ident(name) if name == "Self" => TokenTree::Ident(ident.clone()),
        TokenTree::Group(group) => {
            let mut replaced = Group::new(group.delimiter(), without_self(group.stream(), ident));
            replaced.set_span(group.span());
            TokenTree::Group(replaced)
        }
        token => token,
    };
    tokens.into_iter().map(replace).collect()
}
