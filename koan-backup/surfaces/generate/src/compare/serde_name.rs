//! The names that serde writes with `rename_all`: <https://serde.rs/container-attrs.html#rename_all>

/// A case of `rename_all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// The name in the source.
    Unchanged,
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

impl Case {
    /// Returns the case that a value of `rename_all` selects.
    pub(super) fn from_name(name: Option<&str>) -> Self {
        match name {
            Some("lowercase") => Self::Lower,
            Some("UPPERCASE") => Self::Upper,
            Some("PascalCase") => Self::Pascal,
            Some("camelCase") => Self::Camel,
            Some("snake_case") => Self::Snake,
            Some("SCREAMING_SNAKE_CASE") => Self::ScreamingSnake,
            Some("kebab-case") => Self::Kebab,
            Some("SCREAMING-KEBAB-CASE") => Self::ScreamingKebab,
            _ => Self::Unchanged,
        }
    }

    /// Returns the name of a field.
    pub(super) fn of_field(self, field: &str) -> String {
        match self {
            Self::Unchanged | Self::Lower | Self::Snake => field.to_owned(),
            Self::Upper | Self::ScreamingSnake => field.to_ascii_uppercase(),
            Self::Pascal => pascal(field),
            Self::Camel => uncapitalized(&pascal(field)),
            Self::Kebab => field.replace('_', "-"),
            Self::ScreamingKebab => field.to_ascii_uppercase().replace('_', "-"),
        }
    }

    /// Returns the name of a variant.
    pub(super) fn of_variant(self, variant: &str) -> String {
        match self {
            Self::Unchanged | Self::Pascal => variant.to_owned(),
            Self::Lower => variant.to_ascii_lowercase(),
            Self::Upper => variant.to_ascii_uppercase(),
            Self::Camel => uncapitalized(variant),
            Self::Snake => snake(variant),
            Self::ScreamingSnake => snake(variant).to_ascii_uppercase(),
            Self::Kebab => snake(variant).replace('_', "-"),
            Self::ScreamingKebab => snake(variant).to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn pascal(field: &str) -> String {
    let mut text = String::new();
    let mut begins_word = true;
    for character in field.chars() {
        match (character, begins_word) {
            ('_', _) => begins_word = true,
            (character, true) => {
                text.push(character.to_ascii_uppercase());
                begins_word = false;
            }
            (character, false) => text.push(character),
        }
    }
    text
}

fn uncapitalized(name: &str) -> String {
    let mut characters = name.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

fn snake(variant: &str) -> String {
    let mut text = String::new();
    for (index, character) in variant.char_indices() {
        if index > 0 && character.is_uppercase() {
            text.push('_');
        }
        text.push(character.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_serde_writes() {
        for (case, field, variant) in [
            ("lowercase", "user_id", "verybad"),
            ("UPPERCASE", "USER_ID", "VERYBAD"),
            ("PascalCase", "UserId", "VeryBad"),
            ("camelCase", "userId", "veryBad"),
            ("snake_case", "user_id", "very_bad"),
            ("SCREAMING_SNAKE_CASE", "USER_ID", "VERY_BAD"),
            ("kebab-case", "user-id", "very-bad"),
            ("SCREAMING-KEBAB-CASE", "USER-ID", "VERY-BAD"),
        ] {
            let chosen = Case::from_name(Some(case));
            assert_eq!(
                (chosen.of_field("user_id"), chosen.of_variant("VeryBad")),
                (field.into(), variant.into())
            );
        }
    }
}
