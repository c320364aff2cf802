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

/// Checks the name of something in a database.
pub(crate) fn text(literal: &LitStr, what: &str, cx: &mut Ctxt) -> Option<String> {
    let text = literal.value();
    if text.trim().is_empty() {
        cx.error(literal, format!("the {what} is empty; write one, or leave the option out"));
        return None;
    }
    if text.chars().any(char::is_control) {
        cx.error(literal, format!("the {what} holds a control character; remove it"));
        return None;
    }
    Some(text)
}
