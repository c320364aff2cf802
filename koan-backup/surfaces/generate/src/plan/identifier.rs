//! Converts names of a database to identifiers of Rust.

use std::collections::BTreeSet;

use koan_backup_core::provider::folded;

/// The keywords of all editions that can be raw identifiers.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro",
    "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait",
    "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// The keywords that cannot be raw identifiers.
const NEVER_RAW: &[&str] = &["crate", "self", "super"];

/// The names that the module uses, or that a reader expects to be those of the standard library.
const RESERVED_TYPES: &[&str] = &[
    "Self",
    "Option",
    "String",
    "Vec",
    "Box",
    "Result",
    "Entity",
    "Serialize",
    "Deserialize",
    "Some",
    "None",
    "Ok",
    "Err",
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Drop",
    "Eq",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Hash",
    "Send",
    "Sync",
    "Sized",
    "Unpin",
    "Fn",
    "FnMut",
    "FnOnce",
    "From",
    "Into",
    "TryFrom",
    "TryInto",
    "AsRef",
    "AsMut",
    "Iterator",
    "IntoIterator",
    "Extend",
    "ToOwned",
    "ToString",
    "Future",
    "IntoFuture",
];

/// The identifiers of one namespace, which are all different.
#[derive(Debug)]
pub(super) struct Names {
    used: BTreeSet<String>,
}

impl Names {
    /// Returns the namespace of types in a module.
    pub(super) fn of_types() -> Self {
        Self { used: RESERVED_TYPES.iter().map(|&name| name.to_owned()).collect() }
    }

    /// Returns the names of the fields for the columns of a table, in their order. Columns whose names are identifiers
    /// get these names.
    pub(super) fn of_columns<'c>(columns: impl Iterator<Item = &'c str>) -> Vec<String> {
        let mut namespace = Self { used: BTreeSet::new() };
        let converted: Vec<(&str, String)> = columns.map(|column| (column, field_name(column))).collect();
        let mut names: Vec<Option<String>> = converted
            .iter()
            .map(|(column, name)| (column == name).then(|| namespace.unique(name.clone())))
            .collect();
        for (name, (_, converted)) in names.iter_mut().zip(converted) {
            name.get_or_insert_with(|| namespace.unique(converted));
        }
        names.into_iter().flatten().collect()
    }

    /// Returns the namespace of the variants of an enum.
    pub(super) fn of_variants() -> Self {
        Self { used: BTreeSet::from(["Self".to_owned()]) }
    }

    /// Returns the name of the struct for a table.
    pub(super) fn of_table(&mut self, table: &str) -> String {
        self.of_type(table, "Table", "Record")
    }

    /// Returns the name of the enum for an enum of the database.
    pub(super) fn of_enum(&mut self, name: &str) -> String {
        self.of_type(name, "Enum", "Kind")
    }

    /// Returns the name of the variant for a label.
    pub(super) fn of_label(&mut self, label: &str) -> String {
        if words(label).is_empty() {
            let name = if label.is_empty() { "Empty" } else { "Symbol" };
            return self.unique(name.to_owned());
        }
        self.of_type(label, "Value", "Value")
    }

    /// Returns the name of a type. It starts with `prefix` if the name itself starts with a digit, and ends with
    /// `suffix` if it is reserved.
    fn of_type(&mut self, name: &str, prefix: &str, suffix: &str) -> String {
        let mut converted: String = words(name).iter().map(|word| capitalized(word)).collect();
        if converted.is_empty() || !starts_identifier(&converted) {
            converted.insert_str(0, prefix);
        }
        if self.used.contains(&converted) && RESERVED_TYPES.contains(&converted.as_str()) {
            converted.push_str(suffix);
        }
        self.unique(converted)
    }

    /// Adds a name. A number is appended if the name exists.
    fn unique(&mut self, name: String) -> String {
        let separator = if name.chars().next().is_some_and(char::is_uppercase) { "" } else { "_" };
        let mut candidate = name.clone();
        let mut number = 2;
        while !self.used.insert(candidate.clone()) {
            candidate = format!("{name}{separator}{number}");
            number += 1;
        }
        candidate
    }
}

/// Returns the name of the field for a column, without `r#`.
fn field_name(column: &str) -> String {
    let mut name = words(column).iter().map(|word| word.to_lowercase()).collect::<Vec<_>>().join("_");
    if name.is_empty() {
        name = "column".to_owned();
    }
    if !starts_identifier(&name) {
        name.insert(0, '_');
    }
    if NEVER_RAW.contains(&name.as_str()) {
        name.push('_');
    }
    name
}

/// Returns whether the name of a table differs from that of its struct only in case and underscores.
pub(super) fn is_named_like_struct(table: &str) -> bool {
    let converted: String = words(table).iter().map(|word| capitalized(word)).collect();
    folded(&converted) == folded(table)
}

/// Returns an identifier in the form of source code: with `r#` if it is a keyword.
pub(crate) fn raw(name: &str) -> String {
    if KEYWORDS.contains(&name) { format!("r#{name}") } else { name.to_owned() }
}

/// Splits a name at characters that an identifier cannot contain, and before capital letters that begin a word.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in name.split(|character: char| !continues_identifier(character)) {
        let characters: Vec<char> = part.chars().collect();
        let mut word = String::new();
        for (index, &character) in characters.iter().enumerate() {
            let previous = index.checked_sub(1).map(|index| characters[index]);
            let begins_word = character.is_uppercase()
                && previous.is_some_and(|previous| {
                    !previous.is_uppercase()
                        || characters.get(index + 1).is_some_and(|next| next.is_lowercase())
                });
            if begins_word && !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            word.push(character);
        }
        if !word.is_empty() {
            words.push(word);
        }
    }
    words
}

/// Returns whether a character, except the underscore, can be in an identifier.
fn continues_identifier(character: char) -> bool {
    match character.is_ascii() {
        true => character.is_ascii_alphanumeric(),
        false => is_identifier(&format!("a{character}")),
    }
}

/// Returns whether a text is an identifier. The parser skips white space, also that of other scripts.
fn is_identifier(text: &str) -> bool {
    syn::parse_str::<syn::Ident>(text).is_ok_and(|identifier| identifier == text)
}

fn starts_identifier(name: &str) -> bool {
    name.chars().next().is_some_and(|character| match character.is_ascii() {
        true => character.is_ascii_alphabetic(),
        false => is_identifier(&character.to_string()),
    })
}

fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    let first = characters.next().map(|character| character.to_uppercase().to_string()).unwrap_or_default();
    first + &characters.as_str().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_capitals_and_at_characters_that_identifiers_cannot_contain() {
        for (name, expected) in [
            ("InvoiceLine", vec!["Invoice", "Line"]),
            ("invoice_line", vec!["invoice", "line"]),
            ("HTTPServer2", vec!["HTTP", "Server2"]),
            ("first name!", vec!["first", "name"]),
            ("größe", vec!["größe"]),
            ("a²", vec!["a"]),
            ("a\u{3000}b\u{2028}c\u{85}d\u{200e}e", vec!["a", "b", "c", "d", "e"]),
            ("", vec![]),
        ] {
            assert_eq!(words(name), expected, "{name}");
        }
    }

    #[test]
    fn fields_have_different_valid_names() {
        let columns = ["a b", "a_b", "UserId", "user_id", "self", "self_", "type", "2fa", "!", "?", "ID"];
        let fields: Vec<String> =
            Names::of_columns(columns.into_iter()).iter().map(|name| raw(name)).collect();
        let expected = [
            "a_b_2",
            "a_b",
            "user_id_2",
            "user_id",
            "self__2",
            "self_",
            "r#type",
            "_2fa",
            "column",
            "column_2",
            "id",
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn types_do_not_hide_those_of_the_standard_library() {
        let mut names = Names::of_types();
        let tables = ["Option", "string", "vec", "self", "2fa", "a-b", "a_b", "crate"];
        let structs: Vec<String> = tables.iter().map(|table| names.of_table(table)).collect();
        let expected =
            ["OptionRecord", "StringRecord", "VecRecord", "SelfRecord", "Table2fa", "AB", "AB2", "Crate"];
        assert_eq!(structs, expected);
    }
}
