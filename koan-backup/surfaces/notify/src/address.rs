//! The address of a target. Only its host is displayed, because its path may be a secret.

use std::fmt;

use koan_backup_core::{Error, ErrorKind, Result};
use reqwest::Url;

/// The address of an HTTP target.
#[derive(Clone)]
pub(crate) struct HttpAddress(Url);

impl HttpAddress {
    /// Checks an address. The error does not contain it.
    ///
    /// # Errors
    /// The address is not an `http` or `https` URL.
    pub(crate) fn new(address: &str) -> Result<Self> {
        let url = parse(address)?;
        if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none() {
            return Err(invalid("is not an address of the web").with_help("write `https://…`"));
        }
        Ok(Self(url))
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// Returns the address with another last segment, or with the same one if it is `None`, and with a parameter.
    pub(crate) fn with(&self, segment: Option<&str>, parameter: Option<(&str, &str)>) -> Url {
        let mut url = self.0.clone();
        if let (Some(segment), Ok(mut path)) = (segment, url.path_segments_mut()) {
            path.pop_if_empty().push(segment);
        }
        if let Some((name, value)) = parameter {
            url.query_pairs_mut().append_pair(name, value);
        }
        url
    }

    /// Returns the host, which is displayed in place of the address.
    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }
}

impl fmt::Debug for HttpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/***", self.0.scheme(), self.host())
    }
}

/// Parses a URL. The error does not contain it.
pub(crate) fn parse(address: &str) -> Result<Url> {
    Url::parse(address.trim())
        .map_err(|_| invalid("is not a URL").with_help("write `https://…` or `smtps://…`"))
}

/// Returns an error about an address, which does not contain the address.
pub(crate) fn invalid(problem: &str) -> Error {
    Error::new(ErrorKind::Configuration, format!("the address of the notification {problem}"))
}
