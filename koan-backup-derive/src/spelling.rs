//! Types as text, spaced as one writes them: `Option<Vec<u8>>`, `(i64, &'static str)`.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// The text of a type.
pub(crate) fn of(ty: impl ToTokens) -> String {
    let mut text = String::new();
    let mut last = Last::Opening;
    write(ty.to_token_stream(), &mut text, &mut last);
    text
}

/// What was written last: whether a space comes before what is next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// A bracket, a path separator, a reference: nothing follows.
    Opening,
    /// The first part of an operator such as `->`.
    Joint,
    /// A name, a number or a lifetime.
    Word,
    /// `mut`, `dyn` and the like, after which there is always a space.
    Keyword,
    /// `)`, `]` or `>`
    Closing,
    /// A comma or an operator: a space follows.
    Separator,
}

fn write(tokens: TokenStream, text: &mut String, last: &mut Last) {
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
                space(text, *last, matches!(last, Last::Keyword | Last::Separator));
                text.push_str(open);
                *last = Last::Opening;
                write(group.stream(), text, last);
                text.push_str(close);
                *last = Last::Closing;
            }
            TokenTree::Ident(ident) => {
                let ident = ident.to_string();
                word(&ident, text, last);
                if matches!(ident.as_str(), "mut" | "const" | "dyn" | "impl" | "as") {
                    *last = Last::Keyword;
                }
            }
            TokenTree::Literal(literal) => word(&literal.to_string(), text, last),
            TokenTree::Punct(punct) => punctuation(punct.as_char(), punct.spacing(), text, last),
        }
    }
}

fn word(word: &str, text: &mut String, last: &mut Last) {
    space(text, *last, !matches!(last, Last::Opening | Last::Joint));
    text.push_str(word);
    *last = Last::Word;
}

fn punctuation(punct: char, spacing: Spacing, text: &mut String, last: &mut Last) {
    match punct {
        ',' | ';' => {
            text.push(punct);
            *last = Last::Separator;
        }
        ':' => {
            text.push(punct);
            *last = Last::Opening;
        }
        // The end of `->`.
        '>' if *last == Last::Joint => {
            text.push(punct);
            *last = Last::Separator;
        }
        '>' => {
            text.push(punct);
            *last = Last::Closing;
        }
        '+' | '=' => {
            text.push(' ');
            text.push(punct);
            *last = Last::Separator;
        }
        '-' if spacing == Spacing::Joint => {
            text.push_str(" -");
            *last = Last::Joint;
        }
        '&' | '*' | '\'' | '!' | '?' => {
            space(text, *last, !matches!(last, Last::Opening | Last::Joint));
            text.push(punct);
            *last = Last::Opening;
        }
        _ => {
            space(text, *last, matches!(last, Last::Keyword | Last::Separator));
            text.push(punct);
            *last = Last::Opening;
        }
    }
}

fn space(text: &mut String, last: Last, wanted: bool) {
    if wanted && last != Last::Opening {
        text.push(' ');
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn types_are_spelled_as_they_are_written() {
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
