//! The session cookie.

use axum::http::HeaderValue;
use axum::http::request::Parts;
use koan_backup_core::{Error, ErrorKind};

use super::credentials::SESSION_COOKIE;
use super::peer::Peer;
use super::session::LIFETIME;

/// The connections over which a browser may send a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieTransport {
    /// Connections with TLS.
    TlsOnly,
    /// All connections.
    Any,
}

impl CookieTransport {
    /// Returns the connections for the cookie that answers a request: all for a direct request of this machine to a
    /// loopback address, and otherwise those with TLS.
    pub(crate) fn for_answer_to(parts: &Parts, peer: Peer) -> Self {
        let uses_tls = ["origin", "x-forwarded-proto"]
            .iter()
            .any(|name| parts.headers.get(*name).is_some_and(|value| value.as_bytes().starts_with(b"https")));
        if uses_tls || !peer.is_local_request(parts) { Self::TlsOnly } else { Self::Any }
    }
}

/// The path of the session cookie: the prefix below which the application mounts the router.
#[derive(Clone, Debug)]
pub(crate) struct CookiePath(String);

impl CookiePath {
    /// Creates the path from the public path of the router.
    ///
    /// # Errors
    /// The path does not begin with `/`, or contains a character that ends an attribute of a cookie.
    pub(crate) fn new(public_path: &str) -> Result<Self, Error> {
        let trimmed = public_path.trim_end_matches('/');
        if trimmed.is_empty() {
            return Ok(Self("/".to_owned()));
        }
        if !trimmed.starts_with('/')
            || !trimmed.bytes().all(|b| b.is_ascii_graphic() && !b";,\"\\".contains(&b))
        {
            let message = format!("the public path {public_path:?} is not valid");
            return Err(Error::new(ErrorKind::Configuration, message).with_help(
                "it begins with `/` and contains no space and none of the characters `;`, `,`, `\"` and `\\`",
            ));
        }
        Ok(Self(trimmed.to_owned()))
    }

    /// Returns the header that sets the cookie.
    pub(crate) fn set(&self, id: &str, transport: CookieTransport) -> Result<HeaderValue, Error> {
        self.header(id, LIFETIME.as_secs(), transport)
    }

    /// Returns the header that removes the cookie.
    pub(crate) fn remove(&self, transport: CookieTransport) -> Result<HeaderValue, Error> {
        self.header("", 0, transport)
    }

    fn header(&self, value: &str, seconds: u64, transport: CookieTransport) -> Result<HeaderValue, Error> {
        let secure = match transport {
            CookieTransport::TlsOnly => "; Secure",
            CookieTransport::Any => "",
        };
        let path = &self.0;
        let text = format!(
            "{SESSION_COOKIE}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
        );
        let mut header = HeaderValue::try_from(text).map_err(|error| {
            Error::with_source(ErrorKind::Internal, "the session cookie is not valid", error)
        })?;
        header.set_sensitive(true);
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_limited_to_the_public_path_and_hidden_from_scripts() {
        let path = CookiePath::new("/ops/").expect("the path is valid");
        let set = path.set("id", CookieTransport::TlsOnly).expect("a header");
        let expected = "koan_session=id; Path=/ops; Max-Age=43200; HttpOnly; SameSite=Strict; Secure";
        assert_eq!(set.to_str().expect("text"), expected);
        let removed = path.remove(CookieTransport::Any).expect("a header");
        assert_eq!(
            removed.to_str().expect("text"),
            "koan_session=; Path=/ops; Max-Age=0; HttpOnly; SameSite=Strict"
        );
        let root = CookiePath::new("").expect("valid").remove(CookieTransport::Any).expect("a header");
        assert!(root.to_str().expect("text").contains("Path=/;"));
    }

    #[test]
    fn a_public_path_cannot_add_attributes_to_the_cookie() {
        for path in ["ops", "/a; Domain=example.com", "/a b", "/a\r\nx: y", "/a,b", "/é"] {
            assert!(CookiePath::new(path).is_err(), "{path:?} is accepted");
        }
    }
}
