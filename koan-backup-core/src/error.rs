//! The one public error.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync + 'static>;

/// Why something failed: a [kind](Error::kind) for programs, a text for people, and a chain of sources.
///
/// The text names the thing (entity, key, file, profile) and what to do about it. It never holds a secret or the
/// content of a record; keys of records are named.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Source>,
}

/// What sort of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The application set something up that cannot work; the start fails.
    Configuration,
    /// The inventory is empty, ambiguous or incomplete where completeness was asked for.
    Inventory,
    /// A name of a backup or set is not acceptable.
    InvalidName,
    /// An entity, provider, profile or backup of that name does not exist.
    NotFound,
    /// An archive or manifest is damaged or was altered.
    Corrupt,
    /// An archive or manifest was written by a newer version, or for another shape of the type.
    Incompatible,
    /// A record does not decode as its type, or does not fit its target.
    Record,
    /// A database refused or was lost.
    Provider,
    /// A storage profile refused or was lost.
    Storage,
    /// Somebody else is doing this, or has taken it over: nothing was published. It can be tried again later.
    Busy,
    /// A record that must not exist exists already.
    Conflict,
    /// A unique, foreign-key or other constraint of the database does not hold.
    Constraint,
    /// An entity must be encrypted and cannot be.
    Encryption,
    /// The work was cancelled; nothing was published or committed.
    Cancelled,
    /// The work took longer than the limit that was set for it; nothing was published or committed.
    Timeout,
    /// This combination is not supported.
    Unsupported,
    /// A broken invariant of koan-backup itself.
    Internal,
}

impl Error {
    /// An error without an underlying cause.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: None }))
    }

    /// An error with an underlying cause. `message` must not repeat the text of `source`.
    pub fn with_source(
        kind: ErrorKind,
        message: impl Into<Cow<'static, str>>,
        source: impl Into<Source>,
    ) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: Some(source.into()) }))
    }

    /// The same failure seen from one level up: keeps the kind, and this error becomes the source.
    #[must_use]
    pub fn context(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self::with_source(self.kind(), message, self)
    }

    /// The error of work that was cancelled.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "cancelled")
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// This error and its sources on one line, joined by `: `. What a source repeats of its own is said once.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            let told = cause.to_string();
            if !text.ends_with(&told) {
                text.push_str(": ");
                text.push_str(&told);
            }
            source = cause.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.chain())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_source_is_in_the_chain_only() {
        let inner = Error::new(ErrorKind::Storage, "disk full");
        let outer = inner.context("archive `a.zip` was not written");
        assert_eq!(outer.to_string(), "archive `a.zip` was not written");
        assert_eq!(outer.chain(), "archive `a.zip` was not written: disk full");
        assert_eq!(outer.kind(), ErrorKind::Storage);
    }
}
