//! Names that are checked where they are written.

use syn::LitStr;

use crate::ctxt::Ctxt;

/// Checks the name of an entity: it stands in archives, file names and `Entity#set`.
pub(crate) fn entity(literal: &LitStr, cx: &mut Ctxt) -> Option<String> {
    let name = text(literal, "name", cx)?;
    match name.chars().find(|character| matches!(character, '/' | '\\' | '#')) {
        Some(character) => {
            cx.error(literal, format!("`{character}` is not allowed in the name of an entity; remove it"));
            None
        }
        None => Some(name),
    }
}

/// Checks the name of a table or column, which a database may have given any character but NUL.
pub(crate) fn in_database(literal: &LitStr, what: &str, cx: &mut Ctxt) -> Option<String> {
    let text = filled(literal, what, cx)?;
    if text.contains('\0') {
        cx.error(
            literal,
            format!("the {what} holds the character NUL, which no database has in a name; remove it"),
        );
        return None;
    }
    Some(text)
}

fn filled(literal: &LitStr, what: &str, cx: &mut Ctxt) -> Option<String> {
    let text = literal.value();
    // White space may be all of a name in a database, but hardly ever is.
    if text.trim().is_empty() {
        cx.error(literal, format!("the {what} is empty; write one, or leave the option out"));
        return None;
    }
    Some(text)
}

/// Checks a name that people read.
pub(crate) fn text(literal: &LitStr, what: &str, cx: &mut Ctxt) -> Option<String> {
    let text = filled(literal, what, cx)?;
    if text.chars().any(char::is_control) {
        cx.error(literal, format!("the {what} holds a control character; remove it"));
        return None;
    }
    Some(text)
}
