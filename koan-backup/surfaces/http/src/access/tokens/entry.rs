//! What is stored of a token.

use std::fmt;

use jiff::Timestamp;
use koan_backup_core::Error;

use super::hash::TokenHash;
use crate::access::principal::check_name;
use crate::access::role::Role;

/// What is stored of a token: its name, its role, its SHA-256, and when it expires.
///
/// `Display` writes the entry as it is written in a [file of tokens](crate::Tokens::file).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEntry {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) hash: TokenHash,
    pub(crate) expires: Option<Timestamp>,
}

impl TokenEntry {
    /// Creates an entry from the SHA-256 of a token as 64 hexadecimal digits.
    ///
    /// # Errors
    /// The name or the hash is not valid.
    pub fn new(name: impl Into<String>, role: Role, sha256: &str) -> Result<Self, Error> {
        let name = name.into();
        check_name(&name)?;
        let hash = TokenHash::parse(sha256).map_err(|error| {
            let kind = error.kind();
            Error::with_source(kind, format!("the token `{name}` is not valid"), error)
        })?;
        Ok(Self { name, role, hash, expires: None })
    }

    /// Sets when the token expires.
    #[must_use]
    pub fn expires(mut self, time: Timestamp) -> Self {
        self.expires = Some(time);
        self
    }

    /// Returns the name of the token, which is the name of its callers.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the role of the token.
    pub fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl fmt::Display for TokenEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A valid name contains no control character, so that only these two characters need an escape.
        let name = self.name.replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(f, "[[token]]\nname = \"{name}\"\nrole = \"{}\"\nsha256 = \"{}\"", self.role, self.hash)?;
        self.expires.map_or(Ok(()), |expires| writeln!(f, "expires = {expires}"))
    }
}
