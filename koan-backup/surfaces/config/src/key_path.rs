//! The path of a key, for example `providers.main.url`.

/// Splits a path at its points. A point in quotation marks belongs to a name.
pub(crate) fn parse(path: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = path;
    loop {
        let quoted = rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
        let (name, after) = match quoted {
            Some((name, after)) if after.is_empty() || after.starts_with('.') => (name, after),
            _ => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        names.push(name.to_owned());
        match after.strip_prefix('.') {
            Some(after) => rest = after,
            None => return names,
        }
    }
}

/// Formats a path. A name that contains a point is quoted.
pub(crate) fn display(path: &[String]) -> String {
    let names: Vec<_> = path
        .iter()
        .map(|name| if name.contains('.') { format!("\"{name}\"") } else { name.clone() })
        .collect();
    names.join(".")
}

/// The number of characters of a key for each edit that a misspelling of it may contain. At least one edit is allowed.
const CHARACTERS_PER_EDIT: usize = 3;

/// Returns the remedy for an unknown name: the most similar known name, or all known names.
pub(crate) fn suggestion<'a>(unknown: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let edits = |name: &str| strsim::damerau_levenshtein(&normal(unknown), &normal(name));
    let similar = known
        .clone()
        .map(|name| (edits(name), name))
        .filter(|(edits, name)| *edits <= (name.chars().count() / CHARACTERS_PER_EDIT).max(1));
    match similar.min_by_key(|(edits, _)| *edits) {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None if known.clone().next().is_none() => "it has no keys".to_owned(),
        None => {
            let names: Vec<_> = known.map(|name| format!("`{name}`")).collect();
            format!("the known names are {}", names.join(", "))
        }
    }
}

/// Returns a name without the differences between the styles of names.
fn normal(name: &str) -> String {
    name.to_lowercase().replace(['_', '-'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_displayed_path_is_parsed_into_the_same_names() {
        for names in [["providers", "main", "url"], ["providers", "eu.main", "url"], ["a", "", "\"b"]] {
            let names = names.map(str::to_owned);
            assert_eq!(parse(&display(&names)), names, "{}", display(&names));
        }
    }
}
