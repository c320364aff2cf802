//! Which bytes of an archive a request asks for, by [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#name-range-requests).

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// The bytes of a file that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Requested {
    /// The client has the file.
    Unchanged,
    /// The complete file.
    Everything,
    /// A range that is not empty.
    Range(Range<u64>),
    /// A range that is not part of the file.
    Nothing,
}

/// Returns which bytes of a file with this entity tag and size a request asks for. A request for several ranges, or for a
/// range in an unknown form, is answered by the complete file, as the standard permits.
pub(crate) fn requested(headers: &HeaderMap, tag: &str, size: u64) -> Requested {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let tags = |value: &str| {
        value.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
    };
    if text(header::IF_NONE_MATCH).is_some_and(tags) {
        return Requested::Unchanged;
    }
    // A range of another file would corrupt the download. A date is no proof, so that only the tag is accepted.
    if text(header::IF_RANGE).is_some_and(|condition| condition.trim() != tag) {
        return Requested::Everything;
    }
    let Some(value) = text(header::RANGE) else { return Requested::Everything };
    let Ok(parsed) = http_range_header::parse_range_header(value) else { return Requested::Everything };
    if value.contains(',') {
        return Requested::Everything;
    }
    match parsed.validate(size).map(|ranges| ranges.into_iter().next()) {
        Ok(Some(range)) => Requested::Range(*range.start()..range.end().saturating_add(1)),
        Ok(None) | Err(_) => Requested::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const TAG: &str = "\"abc\"";

    fn of(headers: &[(header::HeaderName, &'static str)]) -> Requested {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        requested(&headers.collect(), TAG, 1_000)
    }

    #[test]
    fn a_range_is_part_of_the_file() {
        for (value, expected) in [
            ("bytes=0-0", Requested::Range(0..1)),
            ("bytes=10-19", Requested::Range(10..20)),
            ("bytes=990-", Requested::Range(990..1_000)),
            ("bytes=-5", Requested::Range(995..1_000)),
            ("bytes=0-5000", Requested::Range(0..1_000)),
            ("bytes=1000-", Requested::Nothing),
            ("bytes=5-1", Requested::Everything),
            ("bytes=0-1,5-6", Requested::Everything),
            ("lines=0-1", Requested::Everything),
            ("bytes=", Requested::Everything),
            ("bytes=99999999999999999999999-", Requested::Nothing),
        ] {
            assert_eq!(of(&[(header::RANGE, value)]), expected, "{value}");
        }
    }

    #[test]
    fn a_range_of_another_file_is_not_continued() {
        let range = (header::RANGE, "bytes=10-19");
        assert_eq!(of(&[range.clone(), (header::IF_RANGE, TAG)]), Requested::Range(10..20));
        for other in ["\"other\"", "Sat, 29 Nov 2025 10:00:00 GMT", "W/\"abc\""] {
            assert_eq!(of(&[range.clone(), (header::IF_RANGE, other)]), Requested::Everything, "{other}");
        }
    }

    #[test]
    fn a_client_that_has_the_file_does_not_receive_it() {
        for value in [TAG, "W/\"abc\"", "\"x\", \"abc\"", "*"] {
            assert_eq!(of(&[(header::IF_NONE_MATCH, value)]), Requested::Unchanged, "{value}");
        }
        assert_eq!(of(&[(header::IF_NONE_MATCH, "\"x\"")]), Requested::Everything);
    }
}
