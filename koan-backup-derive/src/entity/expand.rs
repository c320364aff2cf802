//! The parts of an expansion that describe the fields and the key.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::column::Columns;
use super::form::Body;
use super::key::KeyField;
use super::model::{Field, Variant};
use crate::declaration::{KeyExpansion, ShapeExpansion};
use crate::spelling;
use crate::typed_key;

/// Expands the shape of a type with its own fields.
pub(crate) fn shape(ident: &Ident, body: &Body, key: &[KeyField], columns: &Columns) -> ShapeExpansion {
    if body.converted {
        let names = key.iter().map(|field| field.serde_name.clone());
        let value = typed_key::traced_shape(&ident.to_token_stream(), names);
        return ShapeExpansion { constants: TokenStream::new(), value };
    }
    let variants = body.variants.iter().filter(|variant| !variant.serde.skipped());
    let fields = variants.map(|variant| {
        let fields = variant.fields.iter().flatten().filter(|field| field.serde.skipped().is_none());
        let fields = fields.map(|field| declaration(ident, field, key, columns));
        // For a struct with a tag, serde writes the name of the struct, but can read a record without it.
        let tag = body.tag.iter().filter(|_| !body.is_enum).map(
            |tag| quote!(__koan::FieldDeclaration::new::<::std::string::String>(#tag, "String").defaulted()),
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
                ::std::collections::BTreeMap<::std::string::String, ::std::string::String>
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
    if key.iter().any(|key| key.name == field.name()) {
        declaration.extend(quote!(.key()));
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
    let fields = |variant: &'_ Variant| {
        let fields = variant.fields.iter().flatten();
        key.iter()
            .filter_map(|key| fields.clone().find(|field| field.name() == key.name))
            .map(|field| (field.ident.clone(), field.ty.clone()))
            .collect::<Vec<_>>()
    };
    let mut text = String::new();
    let mut arms = body.variants.iter().map(|variant| {
        let fields = fields(variant);
        let parts = fields.iter().enumerate().map(|(index, (field, ty))| {
            let reference = match body.is_enum {
                true => format_ident!("__key_{index}").to_token_stream(),
                false => quote_spanned!(ty.span()=> &self.#field),
            };
            let value = quote_spanned!(ty.span()=> ::core::clone::Clone::clone(#reference));
            (without_self(ty.to_token_stream(), ident), value)
        });
        let expansion = typed_key::key(parts.collect());
        if text.is_empty() {
            text.clone_from(&expansion.text);
        }
        let (variant, value) = (&variant.ident, &expansion.body);
        let names = fields.iter().map(|(field, _)| field);
        let bindings = (0..fields.len()).map(|index| format_ident!("__key_{index}"));
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
