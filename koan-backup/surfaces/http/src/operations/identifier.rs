//! The ids of operations and of the processes that own them.

use std::fmt;
use std::str::FromStr;

use koan_backup_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of an operation: a UUIDv7, so that the order of ids is the order in which operations were created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct OperationId(Uuid);

impl OperationId {
    /// Returns a new id.
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for OperationId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Uuid::try_parse(text).map(Self).map_err(|source| {
            Error::with_source(ErrorKind::InvalidName, "the text is not the id of an operation", source)
                .with_help("use an id from the list of operations")
        })
    }
}

/// The id of a process that owns operations. A process that opens its operations again has another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct OwnerId(Uuid);

impl OwnerId {
    /// Returns a new id.
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for OwnerId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Uuid::try_parse(text).map(Self).map_err(|source| {
            Error::with_source(ErrorKind::Corrupt, "the owner of an operation has no valid id", source)
        })
    }
}
