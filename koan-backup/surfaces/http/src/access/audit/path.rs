//! Paths and texts as the audit log contains them.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;

use crate::access::tokens::hash::is_secret;

/// The maximum number of characters of a path in an entry.
const MAX_PATH_CHARACTERS: usize = 512;
/// The variable of a route that is an object name, and the one after it, which is an object id.
const STREAM: [&str; 2] = ["{object}", "{id}"];

/// The object names of the event streams whose object ids the audit log contains. Other ids are hidden: those of encrypted
/// streams, and those of object names that nothing declares.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShownObjects(BTreeSet<String>);

impl FromIterator<String> for ShownObjects {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

/// Returns a path in which every character is visible. Tokens and hidden object ids are replaced. `route` is its pattern.
pub(super) fn shown_path(path: &str, route: &str, objects: &ShownObjects) -> String {
    let mut segments: Vec<_> =
        path.split('/').map(|segment| if is_secret(segment) { "(token)" } else { segment }).collect();
    let pattern: Vec<_> = route.split('/').collect();
    let stream = pattern.windows(2).position(|pair| pair == STREAM);
    if let Some(object) = stream {
        // The pattern may lack the path at which the application nests the routes.
        let object = (object + segments.len()).saturating_sub(pattern.len());
        let is_shown = segments.get(object).is_some_and(|name| {
            percent_decode_str(name).decode_utf8().is_ok_and(|name| objects.0.contains(name.as_ref()))
        });
        if let Some(id) = segments.get_mut(object + 1).filter(|_| !is_shown) {
            *id = "(hidden)";
        }
    }
    shown(&segments.join("/"))
}

/// Returns a text in which every character is visible.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(MAX_PATH_CHARACTERS) {
        if c == ' ' || c.is_ascii_graphic() {
            shown.push(c);
        } else {
            shown.extend(c.escape_unicode());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_forge_a_line_and_shows_no_token() {
        let shown_path = |path: &str| shown_path(path, "", &ShownObjects::default());
        assert_eq!(shown_path("/a\nb\u{202e}/é"), "/a\\u{a}b\\u{202e}/\\u{e9}");
        let secret = format!("koan_{}", "s".repeat(43));
        assert_eq!(shown_path(&format!("/x/{secret}/y")), "/x/(token)/y");
        assert_eq!(shown_path(&"x".repeat(10_000)).len(), MAX_PATH_CHARACTERS);
    }

    #[test]
    fn a_path_shows_the_object_id_only_of_streams_that_are_not_encrypted() {
        let objects: ShownObjects = ["order".to_owned(), "a/b".to_owned()].into_iter().collect();
        for route in ["/ops/api/streams/{object}/{id}/backup", "/api/streams/{object}/{id}/backup"] {
            let path = |path: &str| shown_path(path, route, &objects);
            assert_eq!(path("/ops/api/streams/order/1/backup"), "/ops/api/streams/order/1/backup");
            assert_eq!(path("/ops/api/streams/a%2Fb/1/backup"), "/ops/api/streams/a%2Fb/1/backup");
            assert_eq!(path("/ops/api/streams/patient/1/backup"), "/ops/api/streams/patient/(hidden)/backup");
        }
        let path = shown_path("/api/streams/order/backup", "/api/streams/{object}/backup", &objects);
        assert_eq!(path, "/api/streams/order/backup");
    }
}
