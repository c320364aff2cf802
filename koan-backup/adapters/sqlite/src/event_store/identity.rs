//! The aggregate and the version that an error is about.

use std::fmt;

use koan_backup_core::{Error, ErrorKind};

/// A record of an aggregate, as errors name it. It contains no content of the record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity<'a> {
    pub(super) object: &'a str,
    pub(super) object_id: &'a str,
    /// The version of the record. `None` if the record has none that can be read.
    pub(super) version: Option<u64>,
}

impl fmt::Display for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.object, self.object_id)?;
        self.version.map_or(Ok(()), |version| write!(f, ", version {version}"))
    }
}

impl Identity<'_> {
    /// Returns the error about a stored value that cannot be preserved.
    pub(super) fn unreadable(&self, table: &str, column: &str, reason: &str) -> Error {
        Error::new(
            ErrorKind::Record,
            format!("{self}: the value of column `{column}` of table `{table}` {reason}"),
        )
        .with_help("correct the row, because a restore would change the value")
    }

    /// Returns the error about a value that a column cannot contain unchanged.
    pub(super) fn unwritable(&self, table: &str, column: &str, reason: &str) -> Error {
        Error::new(
            ErrorKind::Unsupported,
            format!("{self}: the value for column `{column}` of table `{table}` {reason}"),
        )
        .with_help("declare the column as TEXT")
    }
}
