//! The roles of callers.

use std::fmt;
use std::str::FromStr;

use koan_backup_core::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The role of a caller. Each role permits what the roles before it permit.
///
/// | role | permits |
/// |---|---|
/// | viewer | to read reports, manifests, counts of differences, and health |
/// | operator | also to back up, verify, pin, copy, run dry runs and maintenance, and to cancel its own operations |
/// | admin | also to restore, delete, download, unpin, acknowledge, rekey, recover, and to cancel any operation |
///
/// Retention is applied by an admin only, also within maintenance.
///
/// ```
/// use koan_backup_http::Role;
///
/// assert!(Role::Admin > Role::Operator);
/// assert_eq!("operator".parse::<Role>()?, Role::Operator);
/// assert_eq!(Role::Viewer.to_string(), "viewer");
/// # Ok::<(), koan_backup_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads, and creates what destroys nothing.
    Operator,
    /// Does everything.
    Admin,
}

impl Role {
    const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Returns the name of the role, as it is written in a file of tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Parses the name of a role in lower case.
impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|role| role.name() == text);
        // The text is not repeated: it may be a token at the wrong place.
        found.ok_or_else(|| {
            Error::new(ErrorKind::Configuration, "there is no such role")
                .with_help("the roles are `viewer`, `operator` and `admin`")
        })
    }
}
