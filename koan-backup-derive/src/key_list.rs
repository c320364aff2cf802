//! The value of `key = "a, b"`: the fields of a key, with their types if the fields belong to another type.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{LitStr, Token, Type};

use crate::ctxt::Ctxt;
use crate::spelling;

/// A valid `key = "…"`.
pub(crate) struct KeyList {
    pub(crate) literal: LitStr,
    pub(crate) parts: Vec<KeyPart>,
}

/// One part of the list: `field`, `field: Type`, `field as serde_name: Type`, or one of the last two with a path
/// such as `base.field` to a field of a flattened struct.
pub(crate) struct KeyPart {
    /// The field of the type.
    pub(crate) field: Ident,
    /// The fields within that one, from the outermost to the key: `id` in `base.id`.
    pub(crate) within: Vec<Ident>,
    pub(crate) serde_name: Option<String>,
    pub(crate) ty: Option<Type>,
}

impl KeyPart {
    /// Returns the name or the path in the source, without `r#`.
    pub(crate) fn name(&self) -> String {
        let names = std::iter::once(&self.field).chain(&self.within);
        names.map(|name| name.unraw().to_string()).collect::<Vec<_>>().join(".")
    }

    /// Returns the part as it is written.
    pub(crate) fn text(&self) -> String {
        let serde_name = self.serde_name.as_ref().map_or_else(String::new, |name| format!(" as {name}"));
        let ty = self.ty.as_ref().map_or_else(String::new, |ty| format!(": {}", spelling::of(ty)));
        format!("{}{serde_name}{ty}", self.name())
    }

    /// Returns the name of the field in a record.
    pub(crate) fn serde_name(&self) -> String {
        let last = self.within.last().unwrap_or(&self.field);
        self.serde_name.clone().unwrap_or_else(|| last.unraw().to_string())
    }

    /// Returns the expression of the value, as a field of `access`.
    pub(crate) fn value(&self, access: &TokenStream) -> TokenStream {
        let (field, within) = (&self.field, &self.within);
        quote!(#access.#field #(.#within)*)
    }
}

/// Parses the name of a field, which may be a keyword.
fn field_name(input: ParseStream<'_>) -> syn::Result<Ident> {
    let name = Ident::parse_any(input)?;
    let text = name.to_string();
    // These names cannot be those of a field, not even as raw identifiers.
    if ["self", "Self", "super", "crate", "_"].contains(&text.as_str()) {
        return Err(syn::Error::new(name.span(), "not the name of a field"));
    }
    Ok(match syn::parse_str::<Ident>(&text) {
        Ok(_) => name,
        Err(_) => Ident::new_raw(&text, name.span()),
    })
}

impl Parse for KeyPart {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let field = field_name(input)?;
        let mut within = Vec::new();
        while input.parse::<Option<Token![.]>>()?.is_some() {
            within.push(field_name(input)?);
        }
        let serde_name = match input.parse::<Option<Token![as]>>()? {
            None => None,
            Some(_) if input.peek(LitStr) => Some(input.parse::<LitStr>()?.value()),
            Some(_) => Some(Ident::parse_any(input)?.unraw().to_string()),
        };
        let ty = input.parse::<Option<Token![:]>>()?.map(|_| input.parse()).transpose()?;
        Ok(Self { field, within, serde_name, ty })
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
            cx.error(
                &literal,
                format!("duplicate key field `{}`; remove one of the two occurrences", part.name()),
            );
            is_valid = false;
        }
    }
    is_valid.then_some(KeyList { literal, parts })
}
