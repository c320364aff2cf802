//! The public error type.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// The result of an operation of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync + 'static>;

/// An error: a [kind](Error::kind) for programs, a message for people, and a chain of sources.
///
/// The message contains the object (entity, key, file, profile) and the remedy. It never contains a secret or
/// the content of a record except the key.
///
/// ```
/// use koan_backup::ErrorKind;
/// # koan_backup_shop::run(async |koan| {
/// let error = koan.restore("weekly").await.expect_err("there is no such backup");
/// match error.kind() {
///     ErrorKind::NotFound => println!("{error}"),
///     ErrorKind::Busy | ErrorKind::Timeout => println!("try again later: {error}"),
///     _ => return Err(error.into()),
/// }
/// # Ok(())
/// # });
/// ```
pub struct Error(Box<ErrorParts>);

struct ErrorParts {
    kind: ErrorKind,
    message: Cow<'static, str>,
    /// What to do about the error.
    help: Option<Cow<'static, str>>,
    source: Option<Source>,
    /// The code with which a database or store refused the operation.
    code: Option<Cow<'static, str>>,
    changes: Changes,
}

/// Whether the operation that failed has changed a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Changes {
    /// It has changed nothing, or its changes were undone, or the error does not contain it.
    #[default]
    None,
    /// Changes remain, or it is not known whether they were undone.
    Remaining,
}

/// The kind of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting, option or argument is invalid.
    Configuration,
    /// The inventory is empty or ambiguous, or is incomplete although completeness was required.
    Inventory,
    /// The name of a backup, set or application is not valid.
    InvalidName,
    /// An entity, provider, profile or backup with this name does not exist.
    NotFound,
    /// An archive or manifest is damaged or was modified.
    Corrupt,
    /// An archive or manifest was written by a newer version, or for another schema of the type.
    Incompatible,
    /// A record cannot be converted to its type, or does not fit its target.
    Record,
    /// A database refused an operation or became unavailable.
    Provider,
    /// A storage profile refused an operation or became unavailable.
    Storage,
    /// Another process works on the same subject, or has acquired the lease. Nothing was published; the
    /// operation can be retried later.
    Busy,
    /// A record already exists that must not exist.
    Conflict,
    /// A unique, foreign-key or other constraint of the database is violated.
    Constraint,
    /// An entity that must be encrypted cannot be encrypted, or encrypted content cannot be decrypted.
    Encryption,
    /// The operation was cancelled; nothing was published or committed.
    Cancelled,
    /// The operation exceeded its time limit; nothing was published or committed.
    Timeout,
    /// The provider, storage or build does not support the operation.
    Unsupported,
    /// An invariant of koan-backup itself is violated.
    Internal,
}

impl Error {
    /// Creates an error without a source.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(ErrorParts {
            kind,
            message: message.into(),
            help: None,
            source: None,
            code: None,
            changes: Changes::None,
        }))
    }

    /// Creates an error with a source. `message` must not repeat the text of `source`.
    pub fn with_source(
        kind: ErrorKind,
        message: impl Into<Cow<'static, str>>,
        source: impl Into<Source>,
    ) -> Self {
        let (message, source) = (message.into(), Some(source.into()));
        Self(Box::new(ErrorParts { kind, message, help: None, source, code: None, changes: Changes::None }))
    }

    /// Sets the remedy: what to do about the error. The text of the error ends with it, after a semicolon.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<Cow<'static, str>>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Returns the message without the remedy that [`help`](Self::help) returns. A message whose remedy was
    /// not set separately contains it.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the remedy of this error, or of the first of its sources that has one, if it was set
    /// separately from the message.
    ///
    /// ```
    /// # koan_backup_shop::run(async |koan| {
    /// let error = koan.backup("nightly").entities(["Usr"]).await.expect_err("there is no such entity");
    /// assert_eq!(error.message(), "no entity has the name `Usr`");
    /// assert_eq!(error.help(), Some("did you mean `User`?"));
    /// # Ok(())
    /// # });
    /// ```
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref().or_else(|| self.source()?.downcast_ref::<Self>()?.help())
    }

    /// Returns an error with the message `message` and the same kind, whose source is this error.
    #[must_use]
    pub fn context(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self::with_source(self.kind(), message, self)
    }

    /// Sets the code with which a database or store refused the operation, for example an SQLSTATE.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Returns the code with which a database or store refused the operation, for example the SQLSTATE
    /// `23503`. It is the code of this error or of the error that is its source.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref().or_else(|| self.source()?.downcast_ref::<Self>()?.code())
    }

    /// Marks that changes of the operation remain in a database or storage, or that it is not known whether they were
    /// undone.
    #[must_use]
    pub fn with_remaining_changes(mut self) -> Self {
        self.0.changes = Changes::Remaining;
        self
    }

    /// Returns whether changes of the operation remain in a database or storage, or whether it is not known that they were
    /// undone: for example after a cancelled restore whose rollback is not confirmed, or after a removal of backups that
    /// was cancelled after the first one. This error or one of its sources says so.
    pub fn has_remaining_changes(&self) -> bool {
        let of_source = || self.source()?.downcast_ref::<Self>().map(Self::has_remaining_changes);
        self.0.changes == Changes::Remaining || of_source().unwrap_or_default()
    }

    /// Creates the error for a cancelled operation.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "the operation was cancelled")
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the text of [`chain`](Self::chain) without the [remedies](Self::help) that were set separately from the
    /// messages.
    pub fn description(&self) -> String {
        let mut text = self.message().to_owned();
        let mut source = self.source();
        while let Some(cause) = source {
            let text_of_cause = match cause.downcast_ref::<Self>() {
                Some(cause) => cause.message().to_owned(),
                None => cause.to_string(),
            };
            if !text.ends_with(&text_of_cause) {
                text.push_str(": ");
                text.push_str(&text_of_cause);
            }
            source = cause.source();
        }
        text
    }

    /// Returns the messages of this error and its sources on one line, joined by `: `. The message of a
    /// source is omitted if the text before it ends with the same message.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            let text_of_cause = cause.to_string();
            if !text.ends_with(&text_of_cause) {
                text.push_str(": ");
                text.push_str(&text_of_cause);
            }
            source = cause.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        self.0.help.as_ref().map_or(Ok(()), |help| write!(f, "; {help}"))
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
    fn only_the_chain_of_an_error_contains_the_text_of_its_source() {
        let inner = Error::new(ErrorKind::Storage, "disk full");
        let outer = inner.context("archive `a.zip` was not written");
        assert_eq!(outer.to_string(), "archive `a.zip` was not written");
        assert_eq!(outer.chain(), "archive `a.zip` was not written: disk full");
        assert_eq!(outer.kind(), ErrorKind::Storage);
    }

    #[test]
    fn the_text_of_an_error_ends_with_its_remedy_and_its_message_does_not_contain_it() {
        let full = Error::new(ErrorKind::Storage, "disk full").with_help("delete a file");
        assert_eq!((full.message(), full.to_string().as_str()), ("disk full", "disk full; delete a file"));
        let outer = full.context("archive `a.zip` was not written");
        assert_eq!(outer.help(), Some("delete a file"), "the remedy of a source");
        assert_eq!(outer.chain(), "archive `a.zip` was not written: disk full; delete a file");
        assert_eq!(outer.description(), "archive `a.zip` was not written: disk full");
    }

    #[test]
    fn an_error_returns_the_code_and_the_remaining_changes_of_its_source() {
        let refused = Error::new(ErrorKind::Constraint, "refused").with_code("23503");
        assert_eq!(refused.context("`Order` was not restored").code(), Some("23503"));
        assert_eq!(Error::cancelled().context("stopped").code(), None);
        assert!(Error::cancelled().with_remaining_changes().context("stopped").has_remaining_changes());
        assert!(!Error::cancelled().context("stopped").has_remaining_changes());
    }
}
