//! The addresses of the routes, as clients see them.

use koan_backup_core::{Error, ErrorKind, Result};

/// The prefix of all addresses, because a router that is nested does not know where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Links {
    /// The path at which the application nests the router, without a slash at its end; empty for the root.
    prefix: String,
}

impl Links {
    /// Checks the path at which the application nests the router.
    ///
    /// # Errors
    /// The path does not begin with a slash, or is not a plain path.
    pub(crate) fn new(public_path: &str) -> Result<Self> {
        let prefix = public_path.trim_end_matches('/');
        let is_plain = |part: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            !part.is_empty() && part != "." && part != ".." && part.bytes().all(allowed)
        };
        let parts = prefix.strip_prefix('/').map(|path| path.split('/').all(is_plain));
        if !public_path.starts_with('/') || parts == Some(false) {
            let text = format!("the public path `{public_path}` of the HTTP API is not valid");
            return Err(Error::new(ErrorKind::Configuration, text)
                .with_help("use the path at which the application nests the router, for example `/ops`"));
        }
        Ok(Self { prefix: prefix.to_owned() })
    }

    /// Returns the address of a route, which begins with a slash.
    pub(crate) fn to(&self, route: &str) -> String {
        format!("{}{route}", self.prefix)
    }

    /// Returns the path that cookies are restricted to.
    pub(crate) fn cookie_path(&self) -> &str {
        if self.prefix.is_empty() { "/" } else { &self.prefix }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_begins_with_the_public_path() {
        for (public_path, address, cookie_path) in
            [("/", "/metrics", "/"), ("/ops", "/ops/metrics", "/ops"), ("/a/b/", "/a/b/metrics", "/a/b")]
        {
            let links = Links::new(public_path).expect("the path is valid");
            assert_eq!((links.to("/metrics").as_str(), links.cookie_path()), (address, cookie_path));
        }
    }

    #[test]
    fn a_public_path_that_is_not_a_plain_path_is_refused() {
        for public_path in ["", "ops", "/a//b", "/a/../b", "/a b", "/a?b", "/ops;x", "https://a/b"] {
            let error = Links::new(public_path).expect_err("the path is not valid").to_string();
            assert!(error.contains(&format!("`{public_path}`")), "{error}");
        }
    }
}
