//! Formats types as text with the usual spaces: `Option<Vec<u8>>`, `(i64, &'static str)`.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// Formats a type.
pub(crate) fn of(ty: impl ToTokens) -> String {
    let mut text = String::new();
    let mut last = LastToken::Opening;
    write(ty.to_token_stream(), &mut text, &mut last);
    text
}

/// The kind of the last token, which decides whether a space precedes the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastToken {
    /// An opening bracket, a path separator or a reference: no space follows.
    Opening,
    /// The first character of an operator such as `->`.
    Joint,
    /// A name, a number or a lifetime.
    Word,
    /// A keyword such as `mut` or `dyn`, which is always followed by a space.
    Keyword,
    /// A closing `)`, `]` or `>`.
    Closing,
    /// A comma or an operator: a space follows.
    Separator,
}

fn write(tokens: TokenStream, text: &mut String, last: &mut LastToken) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => {
                        write(group.stream(), text, last);
                        continue;
                    }
                };
                space(text, *last, matches!(last, LastToken::Keyword | LastToken::Separator));
                text.push_str(open);
                *last = LastToken::Opening;
                write(group.stream(), text, last);
                text.push_str(close);
                *last = LastToken::Closing;
            }
            TokenTree::Ident(ident) => {
                let ident = ident.to_string();
                word(&ident, text, last);
                if matches!(ident.as_str(), "mut" | "const" | "dyn" | "impl" | "as") {
                    *last = LastToken::Keyword;
                }
            }
            TokenTree::Literal(literal) => word(&literal.to_string(), text, last),
            TokenTree::Punct(punct) => punctuation(punct.as_char(), punct.spacing(), text, last),
        }
    }
}

fn word(word: &str, text: &mut String, last: &mut LastToken) {
    space(text, *last, !matches!(last, LastToken::Opening | LastToken::Joint));
    text.push_str(word);
    *last = LastToken::Word;
}

fn punctuation(punct: char, spacing: Spacing, text: &mut String, last: &mut LastToken) {
    match punct {
        ',' | ';' => {
            text.push(punct);
            *last = LastToken::Separator;
        }
        ':' => {
            text.push(punct);
            *last = LastToken::Opening;
        }
        // The end of `->`.
        '>' if *last == LastToken::Joint => {
            text.push(punct);
            *last = LastToken::Separator;
        }
        '>' => {
            text.push(punct);
            *last = LastToken::Closing;
        }
        '+' | '=' => {
            text.push(' ');
            text.push(punct);
            *last = LastToken::Separator;
        }
        '-' if spacing == Spacing::Joint => {
            text.push_str(" -");
            *last = LastToken::Joint;
        }
        '&' | '*' | '\'' | '!' | '?' => {
            space(text, *last, !matches!(last, LastToken::Opening | LastToken::Joint));
            text.push(punct);
            *last = LastToken::Opening;
        }
        _ => {
            space(text, *last, matches!(last, LastToken::Keyword | LastToken::Separator));
            text.push(punct);
            *last = LastToken::Opening;
        }
    }
}

fn space(text: &mut String, last: LastToken, wanted: bool) {
    if wanted && last != LastToken::Opening {
        text.push(' ');
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn types_are_formatted_with_the_usual_spaces() {
        for text in [
            "i64",
            "Option<Vec<u8>>",
            "std::collections::BTreeMap<String, Vec<Option<uuid::Uuid>>>",
            "::std::string::String",
            "(i64, &'static str)",
            "(i64,)",
            "()",
            "[u8; 16]",
            "Box<dyn Fn(&mut [u8], u8) -> Result<(), Error> + Send + 'static>",
            "<T as Iterator>::Item",
            "*const u8",
            "&'a mut (u8, u8)",
            "Array<{1}, -1, r#type>",
            "Map<Key = u8, Value = [u8; 4]>",
            "for<'a> fn(&'a u8) -> !",
        ] {
            let ty: proc_macro2::TokenStream = text.parse().expect("tokens");
            assert_eq!(super::of(ty), text);
        }
    }
}
