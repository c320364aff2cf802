//! The naming rules of `rename_all`, as in `serde_derive/src/internals/case.rs`.

/// A naming rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Case {
    #[default]
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
    /// Returns the rule with this name. For an unknown name, which serde reports, it returns `Unchanged`.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "lowercase" => Self::Lower,
            "UPPERCASE" => Self::Upper,
            "PascalCase" => Self::Pascal,
            "camelCase" => Self::Camel,
            "snake_case" => Self::Snake,
            "SCREAMING_SNAKE_CASE" => Self::ScreamingSnake,
            "kebab-case" => Self::Kebab,
            "SCREAMING-KEBAB-CASE" => Self::ScreamingKebab,
            _ => Self::Unchanged,
        }
    }

    /// Returns this rule, or `other` if this rule is `Unchanged`.
    pub(crate) fn or(self, other: Self) -> Self {
        if self == Self::Unchanged { other } else { self }
    }

    /// Returns the serde name of a field.
    pub(crate) fn of_field(self, field: &str) -> String {
        match self {
            Self::Unchanged | Self::Lower | Self::Snake => field.to_owned(),
            Self::Upper | Self::ScreamingSnake => field.to_ascii_uppercase(),
            Self::Pascal => pascal(field),
            Self::Camel => {
                let pascal = pascal(field);
                let mut rest = pascal.chars();
                rest.next()
                    .map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + rest.as_str())
            }
            Self::Kebab => field.replace('_', "-"),
            Self::ScreamingKebab => field.to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn pascal(field: &str) -> String {
    let mut pascal = String::new();
    let mut capitalize = true;
    for character in field.chars() {
        if character == '_' {
            capitalize = true;
        } else if std::mem::take(&mut capitalize) {
            pascal.push(character.to_ascii_uppercase());
        } else {
            pascal.push(character);
        }
    }
    pascal
}

#[cfg(test)]
mod tests {
    use super::Case;

    #[test]
    fn each_rule_names_a_field_as_serde_does() {
        let named = |case| Case::named(case).of_field("first_name_2");
        assert_eq!(named("lowercase"), "first_name_2");
        assert_eq!(named("UPPERCASE"), "FIRST_NAME_2");
        assert_eq!(named("PascalCase"), "FirstName2");
        assert_eq!(named("camelCase"), "firstName2");
        assert_eq!(named("snake_case"), "first_name_2");
        assert_eq!(named("SCREAMING_SNAKE_CASE"), "FIRST_NAME_2");
        assert_eq!(named("kebab-case"), "first-name-2");
        assert_eq!(named("SCREAMING-KEBAB-CASE"), "FIRST-NAME-2");
    }
}
