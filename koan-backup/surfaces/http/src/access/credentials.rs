//! What a request presents to prove its caller.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};
use percent_encoding::percent_decode_str;

use super::tokens::hash::is_secret;
use crate::problem::{Problem, ProblemKind};

/// The name of the session cookie.
pub(crate) const SESSION_COOKIE: &str = "koan_session";

/// The maximum length of a token. Longer ones are refused without computing a hash.
pub(crate) const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// How many session cookies of one request are considered. Other paths of the host may have cookies of the same name.
const MAX_SESSION_COOKIES: usize = 8;

/// Names of parameters in which clients send tokens.
const TOKEN_PARAMETERS: [&str; 10] = [
    "token",
    "access_token",
    "auth_token",
    "id_token",
    "api_key",
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "koan_token",
];

/// The content of the header `Authorization`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authorization<'a> {
    /// There is no such header.
    None,
    /// A bearer token.
    Bearer(&'a str),
    /// Another scheme, which only the application may know.
    Other,
}

/// Reads the header `Authorization`.
///
/// # Errors
/// There are several headers, or the token is empty, too long or contains other characters than a token does.
pub(crate) fn authorization(headers: &HeaderMap) -> Result<Authorization<'_>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(Authorization::None) };
    if values.next().is_some() {
        return Err(unauthenticated("the request has several headers `Authorization`"));
    }
    let Ok(value) = value.to_str() else {
        return Err(unauthenticated("the header `Authorization` contains characters that are not ASCII"));
    };
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Authorization::Other);
    }
    let token = token.trim_matches(' ');
    check_token(token)?;
    Ok(Authorization::Bearer(token))
}

/// Returns an error unless a text can be a token.
pub(crate) fn check_token(token: &str) -> Result<(), Problem> {
    if token.is_empty() {
        return Err(unauthenticated("the token is empty"));
    }
    if token.len() > MAX_TOKEN_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',') {
        return Err(unauthenticated("the token is too long or contains a character that no token contains"));
    }
    Ok(())
}

/// Returns the values of the session cookies, of which other paths of the host may have set some.
pub(crate) fn session_cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let values = pairs.filter(|(name, _)| *name == SESSION_COOKIE).map(|(_, value)| value);
    values.filter(|value| !value.is_empty() && value.len() <= MAX_TOKEN_BYTES).take(MAX_SESSION_COOKIES)
}

/// Returns an error if a query string contains a token. The address of a request is written to logs and histories, so
/// that such a token must be replaced.
pub(crate) fn refuse_query_token(query: Option<&str>) -> Result<(), Problem> {
    let contains_token = form_pairs(query.unwrap_or_default()).any(|(name, value)| {
        TOKEN_PARAMETERS.contains(&name.to_ascii_lowercase().replace('-', "_").as_str())
            || is_secret(&value)
            || is_secret(&name)
    });
    if !contains_token {
        return Ok(());
    }
    tracing::warn!(target: "koan::backup::access", "a token was sent in a query string; replace the token");
    Err(unauthenticated("a token in a query string is refused, because addresses are written to logs")
        .with_help("replace the token, and send the new one in the header `Authorization: Bearer …`"))
}

/// Splits a query string or a form into decoded names and values.
pub(crate) fn form_pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    text.split('&').map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

/// Creates the problem of a request without a valid token or session.
pub(crate) fn unauthenticated(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Unauthenticated, detail)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(values: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a valid value"));
        }
        headers
    }

    fn bearer(value: &str) -> Option<String> {
        match authorization(&headers(&[("authorization", value)])) {
            Ok(Authorization::Bearer(token)) => Some(token.to_owned()),
            _ => None,
        }
    }

    #[test]
    fn the_scheme_of_a_token_is_read_in_any_case() {
        for value in ["Bearer abc", "bearer abc", "BEARER abc", "Bearer   abc ", "bEaReR abc"] {
            assert_eq!(bearer(value).as_deref(), Some("abc"), "{value}");
        }
        for value in [
            "",
            "Bearer",
            "Bearer ",
            "Bearerabc",
            "Basic abc",
            "Bearer a b",
            "Bearer a,b",
            "Bearer\tabc",
            "Bearer é",
        ] {
            assert_eq!(bearer(value), None, "{value}");
        }
        assert_eq!(bearer(&format!("Bearer {}", "x".repeat(MAX_TOKEN_BYTES + 1))), None);
    }

    #[test]
    fn several_authorization_headers_are_refused_even_if_they_are_equal() {
        let two = headers(&[("authorization", "Bearer abc"), ("authorization", "Bearer abc")]);
        assert!(authorization(&two).is_err());
    }

    #[test]
    fn a_query_string_with_a_token_is_refused_in_every_spelling() {
        let secret = format!("koan_{}", "s".repeat(43));
        let queries = [
            "token=a".to_owned(),
            "x=1&TOKEN=a".to_owned(),
            "access_token=".to_owned(),
            "api-key=a".to_owned(),
            "%74oken=a".to_owned(),
            "Authorization=Bearer+a".to_owned(),
            format!("search={secret}"),
            format!("search=%6b{}", &secret[1..]),
            secret,
        ];
        for query in queries {
            assert!(refuse_query_token(Some(&query)).is_err(), "{query} is accepted");
        }
        for query in ["", "page=1&tags=a", "search=token", "wait=true", "search=koan_nightly"] {
            assert!(refuse_query_token(Some(query)).is_ok(), "{query} is refused");
        }
        assert!(refuse_query_token(None).is_ok());
    }

    #[test]
    fn session_cookies_are_found_in_all_headers_and_only_by_their_exact_name() {
        let cookies = headers(&[
            ("cookie", "a=1; koan_session=x; xkoan_session=no"),
            ("cookie", "koan_session=y;Koan_Session=no"),
        ]);
        assert_eq!(session_cookies(&cookies).collect::<Vec<_>>(), ["x", "y"]);
        let many = headers(&[("cookie", &"koan_session=z; ".repeat(1_000))]);
        assert_eq!(session_cookies(&many).count(), MAX_SESSION_COOKIES);
    }
}
