//! The value of `key = "a, b"`: the fields of a key, with their types if the fields belong to another type.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{LitStr, Token, Type};

use crate::ctxt::Ctxt;

/// A valid `key = "…"`.
#[derive(Debug)]
pub(crate) struct KeyList {
    pub(crate) literal: LitStr,
    pub(crate) parts: Vec<KeyPart>,
}

/// One part of the list: `field`, `field: Type` or `field as serde_name: Type`.
#[derive(Debug)]
pub(crate) struct KeyPart {
    pub(crate) field: Ident,
    pub(crate) serde_name: Option<String>,
    pub(crate) ty: Option<Type>,
}

impl KeyPart {
    /// Returns the name of the field in the source, without `r#`.
    pub(crate) fn name(&self) -> String {
        self.field.unraw().to_string()
    }
}

impl Parse for KeyPart {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let field = Ident::parse_any(input)?;
        let field = match syn::parse_str::<Ident>(&field.to_string()) {
            Ok(_) => field,
            Err(_) => Ident::new_raw(&field.to_string(), field.span()),
        };
        let serde_name = match input.parse::<Option<Token![as]>>()? {
            None => None,
            Some(_) if input.peek(LitStr) => Some(input.parse::<LitStr>()?.value()),
            Some(_) => Some(Ident::parse_any(input)?.unraw().to_string()),
        };
        let ty = input.parse::<Option<Token![:]>>()?.map(|_| input.parse()).transpose()?;
        Ok(Self { field, serde_name, ty })
    }
}

/// Parses a list of key fields.
pub(crate) fn parse(literal: LitStr, cx: &mut Ctxt) -> Option<KeyList> {
    let Ok(parts) = literal.parse_with(Punctuated::<KeyPart, Token![,]>::parse_terminated) else {
        cx.error(&literal, "expected the names of fields: `key = \"id\"`, or `key = \"a, b\"`");
        return None;
    };
    let parts: Vec<KeyPart> = parts.into_iter().collect();
    if parts.is_empty() {
        cx.error(&literal, "the key is empty; list its fields: `key = \"id\"`, or `key = \"a, b\"`");
        return None;
    }
    let mut is_valid = true;
    for (index, part) in parts.iter().enumerate() {
        if parts[..index].iter().any(|earlier| earlier.name() == part.name()) {
            cx.error(&literal, format!("duplicate key field `{}`; remove one of them", part.name()));
            is_valid = false;
        }
    }
    is_valid.then_some(KeyList { literal, parts })
}
