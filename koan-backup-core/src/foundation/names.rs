//! Lists of names in messages.

/// Formats names for a message: `` `a`, `b` ``, or `none` for an empty list.
pub(crate) fn names<S: AsRef<str>>(names: impl Iterator<Item = S>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{}`", name.as_ref())).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
