//! Sites whose scripts may use the API, by [CORS](https://fetch.spec.whatwg.org/#http-cors-protocol).

use std::collections::BTreeSet;

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use koan_backup_core::{Error, ErrorKind};

const METHODS: &str = "GET, HEAD, POST, DELETE";
const REQUEST_HEADERS: &str =
    "authorization, content-type, idempotency-key, if-none-match, if-range, last-event-id, prefer, range";
const RESPONSE_HEADERS: &str =
    "accept-ranges, content-disposition, content-range, etag, location, retry-after";

/// Sites whose scripts may send requests with a token. Cookies of such requests are never accepted, because the answers
/// do not permit credentials and the checks against other sites remain.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowedOrigins(BTreeSet<String>);

impl AllowedOrigins {
    /// Adds a site, for example `https://console.example.com`.
    ///
    /// # Errors
    /// The text is not exactly a scheme, a host and an optional port, as a browser writes it.
    pub(crate) fn add(&mut self, origin: &str) -> Result<(), Error> {
        let is_valid = origin.parse::<Uri>().is_ok_and(|uri| {
            let scheme = uri.scheme_str().unwrap_or_default();
            let default_port = if scheme == "https" { 443 } else { 80 };
            let host = uri.authority().map_or("", Authority::host);
            let port = uri.port_u16();
            let written = match port {
                Some(port) => format!("{scheme}://{host}:{port}"),
                None => format!("{scheme}://{host}"),
            };
            matches!(scheme, "http" | "https")
                && !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:[]".contains(&b))
                && port != Some(default_port)
                && written == origin
        });
        if !is_valid {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("{origin:?} is not the origin of a site"),
            )
            .with_help(
                "write it as browsers do, for example `https://console.example.com`; `*` is not possible",
            ));
        }
        self.0.insert(origin.to_owned());
        Ok(())
    }

    /// Returns the answer to the question of a browser whether it may send a request, or `None` for other requests. The
    /// answer needs no token, because browsers send none with this question.
    pub(crate) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response> {
        let origin = self.of(headers)?;
        if method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let answer = [
            (ACCESS_CONTROL_ALLOW_ORIGIN, origin),
            (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS)),
            (ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS)),
            (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
            (VARY, HeaderValue::from_static("origin")),
        ];
        Some((StatusCode::NO_CONTENT, answer).into_response())
    }

    /// Returns the headers of the response to a request.
    pub(crate) fn response_headers(&self, headers: &HeaderMap) -> HeaderMap {
        let mut added = HeaderMap::new();
        if !self.0.is_empty() {
            added.insert(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = self.of(headers) {
            added.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            added.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(RESPONSE_HEADERS));
        }
        added
    }

    fn of(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.0.contains(origin.to_str().ok()?).then(|| origin.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_origin_as_browsers_write_it_is_accepted() {
        let mut origins = AllowedOrigins::default();
        for origin in ["https://console.example.com", "http://localhost:3000", "https://[2001:db8::1]:8443"] {
            origins.add(origin).expect("the origin is valid");
        }
        for origin in [
            "*",
            "null",
            "",
            "console.example.com",
            "https://",
            "https://Console.example.com",
            "https://a.example/",
            "https://a.example:443",
            "http://a.example:80",
            "https://u@a.example",
            "ftp://a.example",
            "https://a.example?x",
            "https://*.example",
        ] {
            assert!(origins.add(origin).is_err(), "{origin:?} is accepted");
        }
    }
}
