//! Formats lists of names for messages.

/// Formats names for an error text: `` `a`, `b` ``.
pub(crate) fn names<S: AsRef<str>>(names: impl Iterator<Item = S>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{}`", name.as_ref())).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
