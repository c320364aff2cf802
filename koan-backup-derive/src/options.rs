//! Parses lists of options in attributes and macros: `flag, name = "value", list(…)`.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, LitBool, LitInt, LitStr, Meta, Path, Token};

use crate::ctxt::Ctxt;

/// One option of a list.
pub(crate) struct Opt {
    pub(crate) name: Ident,
    value: OptionValue,
}

enum OptionValue {
    /// A name without a value: `name`.
    Flag,
    /// An assignment: `name = …`.
    Assigned(TokenStream),
    /// A list: `name(…)`.
    List(TokenStream),
}

/// Parses the options of an attribute. An error in one option does not prevent the others from being parsed.
pub(crate) fn of_attribute(attribute: &Attribute, cx: &mut Ctxt) -> Vec<Opt> {
    match &attribute.meta {
        Meta::Path(_) => Vec::new(),
        Meta::List(list) => of_tokens(list.tokens.clone(), cx),
        Meta::NameValue(pair) => {
            let name = pair.path.to_token_stream();
            cx.error(&pair.value, format!("expected a list of options: `#[{name}(…)]`"));
            Vec::new()
        }
    }
}

/// Parses a list of options. An error in one option does not prevent the others from being parsed.
pub(crate) fn of_tokens(tokens: TokenStream, cx: &mut Ctxt) -> Vec<Opt> {
    let mut options = Vec::new();
    for piece in pieces(tokens, cx) {
        match Opt::parse.parse2(piece) {
            Ok(option) => options.push(option),
            Err(error) => cx.push(error),
        }
    }
    options
}

/// Splits tokens at commas.
fn pieces(tokens: TokenStream, cx: &mut Ctxt) -> Vec<TokenStream> {
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Punct(separator) if matches!(separator.as_char(), ',' | ';') => {
                let is_comma = separator.as_char() == ',';
                if !is_comma {
                    cx.error(&separator, "options are separated by commas; write `,` in place of `;`");
                }
                if !piece.is_empty() {
                    pieces.push(piece.drain(..).collect());
                } else if is_comma {
                    cx.error(separator, "expected an option before the comma; remove the comma");
                }
            }
            token => piece.push(token),
        }
    }
    if !piece.is_empty() {
        pieces.push(piece.into_iter().collect());
    }
    pieces
}

impl Parse for Opt {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = Ident::parse_any(input)
            .map_err(|error| syn::Error::new(error.span(), "expected the name of an option"))?;
        let value = if input.is_empty() {
            OptionValue::Flag
        } else if input.peek(Token![=]) {
            let eq: Token![=] = input.parse()?;
            let tokens: TokenStream = input.parse()?;
            if tokens.is_empty() {
                return Err(syn::Error::new_spanned(eq, format!("expected a value after `{name} =`")));
            }
            OptionValue::Assigned(tokens)
        } else if input.peek(syn::token::Paren) {
            let content;
            syn::parenthesized!(content in input);
            OptionValue::List(content.parse()?)
        } else {
            let rest: TokenStream = input.parse()?;
            return Err(syn::Error::new_spanned(rest, format!("expected `=` or a comma after `{name}`")));
        };
        match input.is_empty() {
            true => Ok(Self { name, value }),
            false => Err(input.error(format!("expected a comma after `{name}(…)`"))),
        }
    }
}

impl Opt {
    /// Returns the tokens that an error in the value points to.
    fn value_tokens(&self) -> TokenStream {
        match &self.value {
            OptionValue::Assigned(tokens) if !tokens.is_empty() => tokens.clone(),
            _ => self.name.to_token_stream(),
        }
    }

    fn assigned<T: Parse>(&self) -> Option<T> {
        match &self.value {
            OptionValue::Assigned(tokens) => syn::parse2(tokens.clone()).ok(),
            _ => None,
        }
    }

    /// Parses `name = "…"`.
    pub(crate) fn string(&self, cx: &mut Ctxt) -> Option<LitStr> {
        let string = self.assigned();
        if string.is_none() {
            let name = &self.name;
            cx.error(self.value_tokens(), format!("expected a string literal: `{name} = \"…\"`"));
        }
        string
    }

    /// Parses `name`, `name = true` or `name = false`.
    pub(crate) fn flag(&self, cx: &mut Ctxt) -> Option<bool> {
        if matches!(self.value, OptionValue::Flag) {
            return Some(true);
        }
        let flag: Option<LitBool> = self.assigned();
        if flag.is_none() {
            let name = &self.name;
            cx.error(
                self.value_tokens(),
                format!("expected `true` or `false`: `{name} = true`, or `{name}` alone"),
            );
        }
        flag.map(|flag| flag.value)
    }

    /// Parses `name = 30`: a number of days, at least 1.
    pub(crate) fn days(&self, cx: &mut Ctxt) -> Option<u32> {
        let days = self.assigned::<LitInt>().and_then(|number| number.base10_parse().ok());
        let days = days.filter(|days| *days > 0);
        if days.is_none() {
            let name = &self.name;
            cx.error(self.value_tokens(), format!("expected a number of days, at least 1: `{name} = 30`"));
        }
        days
    }

    /// Adds an error if an option that takes no value has a value.
    pub(crate) fn bare(&self, cx: &mut Ctxt) {
        if !matches!(self.value, OptionValue::Flag) {
            cx.error(self.value_tokens(), format!("`{0}` takes no value here; write `{0}` alone", self.name));
        }
    }

    /// Parses `name = "path"` or `name = path`.
    pub(crate) fn path(&self, cx: &mut Ctxt) -> Option<Path> {
        let path = match self.assigned::<LitStr>() {
            Some(string) => string.parse_with(Path::parse_mod_style).ok(),
            None => match &self.value {
                OptionValue::Assigned(tokens) => Path::parse_mod_style.parse2(tokens.clone()).ok(),
                _ => None,
            },
        };
        if path.is_none() {
            let name = &self.name;
            cx.error(self.value_tokens(), format!("expected a path: `{name} = \"path::to::koan_backup\"`"));
        }
        path
    }

    /// Parses `name = One`, where the value is one of the known identifiers.
    pub(crate) fn one_of(&self, known: &[&str], cx: &mut Ctxt) -> Option<Ident> {
        let ident = self.assigned::<Ident>().filter(|ident| known.iter().any(|known| ident == known));
        if ident.is_none() {
            let known = known.iter().map(|known| format!("`{} = {known}`", self.name)).collect::<Vec<_>>();
            cx.error(self.value_tokens(), format!("expected {}", known.join(" or ")));
        }
        ident
    }

    /// Parses `name = "…"` or `name("…", "…")`.
    pub(crate) fn strings(&self, cx: &mut Ctxt) -> Vec<LitStr> {
        let OptionValue::List(tokens) = &self.value else { return self.string(cx).into_iter().collect() };
        let mut strings = Vec::new();
        for piece in pieces(tokens.clone(), cx) {
            match syn::parse2(piece.clone()) {
                Ok(string) => strings.push(string),
                Err(_) => {
                    cx.error(piece, format!("expected a string literal: `{}(\"…\", \"…\")`", self.name))
                }
            }
        }
        strings
    }

    /// Parses `name` or `name(…)`, and returns the options in the list.
    pub(crate) fn group(&self, cx: &mut Ctxt) -> Vec<Opt> {
        match &self.value {
            OptionValue::Flag => Vec::new(),
            OptionValue::List(tokens) => of_tokens(tokens.clone(), cx),
            OptionValue::Assigned(tokens) => {
                cx.error(tokens, format!("expected a list of options: `{}(…)`", self.name));
                Vec::new()
            }
        }
    }

    /// Returns the tokens of `name(…)`.
    pub(crate) fn list(&self) -> Option<&TokenStream> {
        match &self.value {
            OptionValue::List(tokens) => Some(tokens),
            _ => None,
        }
    }

    /// Returns the string of `name = "…"`, or `None` for another value. It adds no error, because another macro
    /// checks the option.
    pub(crate) fn as_string(&self) -> Option<LitStr> {
        self.assigned()
    }
}
