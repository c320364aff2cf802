//! Checks of names in attributes.

use syn::LitStr;

use crate::ctxt::Ctxt;

/// Checks the name of an entity, which is used in archives, in file names and in `Entity#set`.
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

/// The maximum length of an object name in bytes.
const MAX_OBJECT_BYTES: usize = 200;

/// Checks an object name, which is the name of its events in archives. The core crate has the same rules for names that no
/// macro checks.
pub(crate) fn object(literal: &LitStr, cx: &mut Ctxt) -> Option<String> {
    let name = literal.value();
    let problem = if name.trim().is_empty() {
        "the object name is empty; enter the name that the event store contains".to_owned()
    } else if name.len() > MAX_OBJECT_BYTES {
        format!("the object name has {} bytes; at most {MAX_OBJECT_BYTES} are allowed", name.len())
    } else if name.chars().any(char::is_control) {
        "the object name contains a control character, which no name in an archive can contain; remove it"
            .to_owned()
    } else if let Some(suffix) = [".documents", ".snapshots"].iter().find(|suffix| name.ends_with(*suffix)) {
        format!(
            "an object name cannot end with `{suffix}`, because archives name a part of streams so; use another name"
        )
    } else {
        return Some(name);
    };
    cx.error(literal, problem);
    None
}

/// Checks the name of a table or column, which may contain any character except NUL.
pub(crate) fn in_database(literal: &LitStr, option: &str, cx: &mut Ctxt) -> Option<String> {
    let text = not_empty(literal, option, cx)?;
    if text.contains('\0') {
        cx.error(
            literal,
            format!("the {option} contains the character NUL, which no database allows in a name; remove it"),
        );
        return None;
    }
    Some(text)
}

/// Checks a segment of a URL.
pub(crate) fn route(literal: &LitStr, cx: &mut Ctxt) -> Option<String> {
    let text = not_empty(literal, "route", cx)?;
    let is_allowed = |character: &char| {
        character.is_ascii_lowercase() || character.is_ascii_digit() || matches!(character, '-' | '_')
    };
    match text.chars().find(|character| !is_allowed(character)) {
        Some(character) => {
            cx.error(
                literal,
                format!(
                    "`{}` is not allowed in a route; use lower-case letters, digits, `-` and `_`",
                    character.escape_debug()
                ),
            );
            None
        }
        None => Some(text),
    }
}

fn not_empty(literal: &LitStr, option: &str, cx: &mut Ctxt) -> Option<String> {
    let text = literal.value();
    // Databases allow names of white space only, but such a name is almost certainly a mistake.
    if text.trim().is_empty() {
        cx.error(literal, format!("the {option} is empty; enter a value, or remove the option"));
        return None;
    }
    Some(text)
}

/// Checks a name that is displayed in reports.
pub(crate) fn text(literal: &LitStr, option: &str, cx: &mut Ctxt) -> Option<String> {
    let text = not_empty(literal, option, cx)?;
    if text.chars().any(char::is_control) {
        cx.error(literal, format!("the {option} contains a control character; remove it"));
        return None;
    }
    Some(text)
}
