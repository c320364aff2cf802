//! The names of private types of `serde_json`.

/// Returns whether a name is the name of a private type of `serde_json`. The serializer and deserializer of
/// `serde_json` handle these types specially.
pub(super) fn is_private_to_serde_json(name: &str) -> bool {
    name.starts_with("$serde_json::")
}
