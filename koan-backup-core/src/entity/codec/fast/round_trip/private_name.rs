//! The names of private types of `serde_json`.

/// Returns whether a name is that of a private type of `serde_json`, which its serializer and deserializer
/// treat specially.
pub(super) fn is_private_to_serde_json(name: &str) -> bool {
    name.starts_with("$serde_json::")
}
