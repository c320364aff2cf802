//! Texts of the library in terms of the command line: it names a method of a builder, for which there is a flag.

use std::borrow::Cow;

/// The flags whose methods the texts of the library name.
pub(crate) const FLAGS: [&str; 12] = [
    "allow-field-loss",
    "allow-idle-rules",
    "allow-partial",
    "create-missing",
    "even-if-last",
    "exclude",
    "from-application",
    "include-unidentified",
    "profile",
    "release-entity",
    "replace-existing",
    "set",
];

/// Replaces each method of a builder that has a flag with the same name, such as `.exclude("User")`, by the flag,
/// `--exclude User`. Other text is unchanged.
pub(crate) fn with_flags(text: &str) -> Cow<'_, str> {
    let is_paired = text.matches('`').count().is_multiple_of(2);
    if !is_paired || !text.contains("`.") {
        return Cow::Borrowed(text);
    }
    // The parts with an odd index are in backquotes.
    let parts = text.split('`').enumerate().map(|(index, part)| match flag(part) {
        Some(flag) if index % 2 == 1 => Cow::Owned(flag),
        _ => Cow::Borrowed(part),
    });
    Cow::Owned(parts.collect::<Vec<_>>().join("`"))
}

/// Returns the flag for the call of a method, if there is one.
fn flag(call: &str) -> Option<String> {
    let (method, arguments) = call.strip_prefix('.')?.strip_suffix(')')?.split_once('(')?;
    let flag = method.replace('_', "-");
    // Some methods accept several names, and their flags are repeated.
    let flag = [flag.as_str(), flag.trim_end_matches('s')].into_iter().find(|flag| FLAGS.contains(flag))?;
    let value = match arguments {
        "" => String::new(),
        "name, environment" => " NAME/ENVIRONMENT".to_owned(),
        argument => format!(" {}", argument.strip_prefix('"')?.strip_suffix('"')?),
    };
    Some(format!("--{flag}{value}"))
}

#[cfg(test)]
mod tests {
    use super::with_flags;

    #[test]
    fn a_method_with_a_flag_is_shown_as_the_flag() {
        for (text, expected) in [
            ("restore them with `.allow_partial()`, or", "restore them with `--allow-partial`, or"),
            ("exclude it with `.exclude(\"User\")`", "exclude it with `--exclude User`"),
            ("select one with `.set(\"…\")`", "select one with `--set …`"),
            ("with `.from_application(name, environment)`", "with `--from-application NAME/ENVIRONMENT`"),
        ] {
            assert_eq!(with_flags(text), expected);
        }
    }

    #[test]
    fn other_text_is_unchanged() {
        for text in [
            "set public keys with `.encrypt_to(Recipients::key(\"age1…\")?)`",
            "the entity `.exclude(\"User\")",
            "`User` has a field `.name`",
            "call `.build()`",
            "",
            "`",
            "a `.level(RestoreLevel::Safe)` restore",
        ] {
            assert_eq!(with_flags(text), text);
        }
    }
}
