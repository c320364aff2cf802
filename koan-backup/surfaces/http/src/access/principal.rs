//! Callers of the API.

use koan_backup_core::{Error, ErrorKind};

use super::role::Role;
use super::tokens::hash::SECRET_PREFIX;
use crate::problem::{Problem, ProblemKind};

/// The maximum number of characters of the name of a caller.
pub(crate) const MAX_NAME_CHARACTERS: usize = 128;

/// The caller of a request: its name, its role, and what proved them.
///
/// An application that authenticates its users itself creates a principal in its
/// [`Authenticator`](crate::Authenticator).
///
/// ```
/// use koan_backup_http::{Principal, Role};
///
/// let caller = Principal::new("alice", Role::Operator)?;
/// assert_eq!(caller.name(), "alice");
/// assert_eq!(caller.role(), Role::Operator);
/// assert!(Principal::new("alice\nadmin", Role::Viewer).is_err());
/// # Ok::<(), koan_backup_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    name: String,
    role: Role,
    origin: PrincipalOrigin,
}

/// What proved the identity of a [`Principal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrincipalOrigin {
    /// A token in the header `Authorization`.
    Token,
    /// A session that was started with a token.
    Session,
    /// The [`Authenticator`](crate::Authenticator) of the application.
    Application,
    /// A connection from the same machine to a server without tokens.
    Loopback,
}

impl PrincipalOrigin {
    /// Returns the name of the origin, as it is written into the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Session => "session",
            Self::Application => "application",
            Self::Loopback => "loopback",
        }
    }
}

impl Principal {
    /// Creates a caller that the application has authenticated.
    ///
    /// # Errors
    /// The name is empty, is longer than 128 characters, or contains a control character.
    pub fn new(name: impl Into<String>, role: Role) -> Result<Self, Error> {
        let name = name.into();
        check_name(&name)?;
        Ok(Self { name, role, origin: PrincipalOrigin::Application })
    }

    /// Creates the caller of a token. The name was checked when the token was declared.
    pub(crate) fn of_token(name: &str, role: Role, origin: PrincipalOrigin) -> Self {
        Self { name: name.to_owned(), role, origin }
    }

    /// Creates the caller on the same machine as a server without tokens.
    pub(crate) fn of_loopback(role: Role) -> Self {
        Self { name: "local".to_owned(), role, origin: PrincipalOrigin::Loopback }
    }

    /// Returns the name of the caller.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the role of the caller.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns what proved the identity of the caller.
    pub fn origin(&self) -> PrincipalOrigin {
        self.origin
    }

    /// Returns the text that identifies the caller in stored operations. A token and the sessions that were started
    /// with it have the same identity; a user of the application never has the identity of a token.
    pub fn identity(&self) -> String {
        let kind = match self.origin {
            PrincipalOrigin::Token | PrincipalOrigin::Session => "token",
            PrincipalOrigin::Application => "application",
            PrincipalOrigin::Loopback => "loopback",
        };
        format!("{kind}:{}", self.name)
    }

    /// Returns an error unless the caller has the role `required` or a higher one.
    pub(crate) fn require(&self, required: Role) -> Result<(), Problem> {
        if self.role >= required {
            return Ok(());
        }
        let detail = format!("the role `{}` does not permit this request", self.role);
        let help = format!("the request needs the role `{required}`");
        Err(Problem::new(ProblemKind::Forbidden, detail).with_help(help))
    }

    /// Returns an error unless the caller may cancel an operation that the caller with the
    /// [identity](Self::identity) `started_by` has started.
    pub(crate) fn require_cancellation_right(&self, started_by: &str) -> Result<(), Problem> {
        self.require(Role::Operator)?;
        if self.role == Role::Admin || self.identity() == started_by {
            return Ok(());
        }
        let detail = "another caller has started the operation; an operator cancels only its own operations";
        Err(Problem::new(ProblemKind::Forbidden, detail).with_help("the request needs the role `admin`"))
    }
}

/// Returns an error unless `name` can be the name of a caller.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let problem = if name.trim().is_empty() {
        "is empty"
    } else if name.chars().count() > MAX_NAME_CHARACTERS {
        "has more than 128 characters"
    } else if name.chars().any(|c| c.is_control() || is_invisible(c)) {
        "contains a control character or an invisible character"
    } else if name.starts_with(SECRET_PREFIX) {
        "has the form of a token"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidName, format!("the name of a caller {problem}"))
        .with_help("use 1 to 128 visible characters, for example `nightly-job`"))
}

/// Returns whether a character separates lines or changes the direction or the appearance of the text around it.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, role: Role) -> Principal {
        Principal::of_token(name, role, PrincipalOrigin::Token)
    }

    #[test]
    fn an_operator_cancels_its_own_operations_and_an_admin_cancels_all() {
        let own = token("ci", Role::Operator);
        let session = Principal::of_token("ci", Role::Operator, PrincipalOrigin::Session);
        let user = Principal::new("ci", Role::Operator).expect("the name is valid");
        assert!(own.require_cancellation_right(&own.identity()).is_ok());
        assert!(session.require_cancellation_right(&own.identity()).is_ok(), "the session of the same token");
        assert!(
            user.require_cancellation_right(&own.identity()).is_err(),
            "a user who has the name of a token"
        );
        assert!(token("other", Role::Operator).require_cancellation_right(&own.identity()).is_err());
        assert!(token("ci", Role::Viewer).require_cancellation_right(&own.identity()).is_err(), "a viewer");
        assert!(token("root", Role::Admin).require_cancellation_right(&own.identity()).is_ok());
    }

    #[test]
    fn a_name_cannot_forge_a_line_of_a_log_or_contain_a_token() {
        for name in
            ["", " ", "a\nb", "a\rb", "a\0b", "a\u{2028}b", "\u{202e}nimda", "a\u{1b}[31m", "koan_secret"]
        {
            assert!(Principal::new(name, Role::Viewer).is_err(), "{name:?} is accepted");
        }
        assert!(Principal::new("x".repeat(129), Role::Viewer).is_err());
        assert!(Principal::new("Zoë Müller (backup)", Role::Viewer).is_ok());
    }
}
