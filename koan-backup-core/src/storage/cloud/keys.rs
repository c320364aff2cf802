//! The removal of foreign keys from a list response. A foreign key is a key that this library never writes,
//! and that would make the listing fail.
//!
//! `object_store` refuses a complete list response if one key in it is not a valid path: a key with an empty
//! segment (`a//b`), a segment `.` or `..`, or a control character. It reads a key that ends with `/`, which
//! consoles create for folders, as the path without the slash, at which no object exists. This library never
//! writes a key of this kind, so the entries are removed from the response before it is parsed.

use std::borrow::Cow;

/// Removes the entries with foreign keys from a list response. `entry` and `key` are the names of the XML
/// elements of an entry and of its key.
pub(super) fn without_foreign<'t>(text: &'t str, entry: &str, key: &str) -> Cow<'t, str> {
    let (open, close) = (format!("<{entry}>"), format!("</{entry}>"));
    let (mut kept, mut rest) = (String::new(), text);
    let mut search_start = 0;
    while let Some(start) =
        rest.get(search_start..).and_then(|text| text.find(&open)).map(|offset| search_start + offset)
    {
        let Some(end) = rest.get(start..).and_then(|text| text.find(&close)) else { break };
        let end = start + end + close.len();
        let (Some(element), Some(before)) = (rest.get(start..end), rest.get(..start)) else { break };
        match super::xml::element(element, key) {
            Some(name) if is_foreign(name) => {
                tracing::debug!(
                    target: "koan::backup", key = %name.escape_debug(),
                    "a key that this library does not write was ignored in a listing"
                );
                kept.push_str(before);
                rest = rest.get(end..).unwrap_or_default();
                search_start = 0;
            }
            _ => search_start = end,
        }
    }
    match kept.is_empty() && rest.len() == text.len() {
        true => Cow::Borrowed(text),
        false => Cow::Owned(kept + rest),
    }
}

/// Returns whether a key, as it is escaped in XML, is a key that this library never writes.
fn is_foreign(name: &str) -> bool {
    let Some(name) = unescaped(name) else { return true };
    let is_invalid = |segment: &str| matches!(segment, "" | "." | "..");
    let path = name.strip_prefix('/').unwrap_or(&name);
    name.chars().any(|char| char.is_ascii_control()) || path.split('/').any(is_invalid)
}

/// Resolves the character references of XML text. Returns `None` if one of them is unknown or invalid.
fn unescaped(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('&') {
        return Some(Cow::Borrowed(text));
    }
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('&') {
        let (reference, after) = after.split_once(';')?;
        let number = reference.strip_prefix('#').map(|number| match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        });
        plain.push_str(before);
        plain.push(match (reference, number) {
            ("amp", _) => '&',
            ("lt", _) => '<',
            ("gt", _) => '>',
            ("quot", _) => '"',
            ("apos", _) => '\'',
            (_, Some(number)) => char::from_u32(number.ok()?)?,
            _ => return None,
        });
        rest = after;
    }
    plain.push_str(rest);
    Some(Cow::Owned(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(keys: &[&str]) -> String {
        let contents = keys.iter().map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>"));
        format!("<ListBucketResult><KeyCount>9</KeyCount>{}</ListBucketResult>", contents.collect::<String>())
    }

    #[test]
    fn entries_with_foreign_keys_are_removed_and_other_entries_are_unchanged() {
        let own_keys = ["shop/manifests/a.json", "a&amp;b/c", "ü/x", "a/.hidden", "a/...", "/a"];
        for foreign in [
            "a//b",
            "a/./b",
            "a/../b",
            "a/",
            "shop/manifests/",
            "a/b\u{7}",
            "a/&#x7;b",
            "a&#10;b",
            "&#0;",
            "&x;",
            "a/&#46;/b",
            "",
        ] {
            let mut keys = own_keys.to_vec();
            for index in [0, 3, own_keys.len()] {
                keys.insert(index, foreign);
                assert_eq!(
                    without_foreign(&listing(&keys), "Contents", "Key"),
                    listing(&own_keys),
                    "{foreign:?}"
                );
                keys.remove(index);
            }
            assert_eq!(
                without_foreign(&listing(&[foreign; 3]), "Contents", "Key"),
                listing(&[]),
                "{foreign:?}"
            );
        }
        let unchanged = listing(&own_keys);
        assert!(matches!(without_foreign(&unchanged, "Contents", "Key"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_response_with_an_incomplete_entry_is_returned_unchanged() {
        for text in
            ["", "<Contents>", "<Contents><Key>a//b</Key>", "<Contents></Contents>", "</Contents><Contents>"]
        {
            assert_eq!(without_foreign(text, "Contents", "Key"), text);
        }
    }
}
