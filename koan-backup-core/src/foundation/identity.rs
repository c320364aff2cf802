//! The identity of the application that a backup belongs to: its name and its environment.

use std::ffi::OsString;
use std::fmt;

use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::is_forbidden;

/// The identity of an application: its name and its environment. A search by the name of a backup never finds
/// a backup of another identity.
///
/// Name and environment are compared exactly; `Shop` and `shop` are two applications.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let identity = koan.identity();
/// println!("{} in {}", identity.application(), identity.environment());
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationIdentity {
    application: String,
    environment: String,
}

/// The default name of an application.
const DEFAULT_APPLICATION: &str = "default";
/// The default environment.
const DEFAULT_ENVIRONMENT: &str = "development";
/// The name of the environment variable that sets the environment.
const ENVIRONMENT_VARIABLE: &str = "KOAN_ENV";
/// The maximum length of a name, in characters.
const MAX_CHARS: usize = 128;

impl ApplicationIdentity {
    /// Validates the names of an application and of its environment.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`]: a name is empty or too long, starts or ends with a space, or contains
    /// control characters.
    pub fn new(application: impl Into<String>, environment: impl Into<String>) -> Result<Self> {
        let (application, environment) = (application.into(), environment.into());
        check("application", &application)?;
        check("environment", &environment)?;
        Ok(Self { application, environment })
    }

    /// Returns an identity to search for. It is not validated, because an invalid identity matches no backup.
    pub(crate) fn unvalidated(application: impl Into<String>, environment: impl Into<String>) -> Self {
        Self { application: application.into(), environment: environment.into() }
    }

    /// Returns the identity of this application from the configured names, with defaults for names that are
    /// not configured. `variable` is the value of `KOAN_ENV`.
    pub(crate) fn resolve(
        application: Option<String>,
        environment: Option<String>,
        variable: Option<OsString>,
    ) -> Result<Self> {
        let application = application.unwrap_or_else(|| DEFAULT_APPLICATION.to_owned());
        let variable = variable.filter(|value| !value.is_empty());
        match (environment, variable) {
            (Some(environment), _) => Self::new(application, environment),
            (None, None) => Self::new(application, DEFAULT_ENVIRONMENT),
            (None, Some(value)) => {
                let invalid = || {
                    let text = format!(
                        "the value of the environment variable `{ENVIRONMENT_VARIABLE}` is not a valid name of \
                         an environment; correct it, or set the environment with `.environment(…)`"
                    );
                    Error::new(ErrorKind::Configuration, text)
                };
                let value = value.into_string().map_err(|_| invalid())?;
                check("environment", &value).map_err(|_| invalid())?;
                Self::new(application, value)
            }
        }
    }

    /// Returns the value of the environment variable, if it is set.
    pub(crate) fn variable() -> Option<OsString> {
        std::env::var_os(ENVIRONMENT_VARIABLE)
    }

    /// Returns the name of the application.
    pub fn application(&self) -> &str {
        &self.application
    }

    /// Returns the environment, for example `production`.
    pub fn environment(&self) -> &str {
        &self.environment
    }
}

/// Formats the identity as `` application `shop` in `production` ``.
impl fmt::Display for ApplicationIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (application, environment) = (self.application.escape_debug(), self.environment.escape_debug());
        write!(f, "application `{application}` in `{environment}`")
    }
}

/// Checks the name of an application or environment; `noun` is `application` or `environment`, for the error.
fn check(noun: &str, name: &str) -> Result<()> {
    let problem = if name.trim().is_empty() {
        "must not be empty"
    } else if name.chars().count() > MAX_CHARS {
        "must be at most 128 characters long"
    } else if name.chars().any(is_forbidden) {
        "must not contain control or text-direction characters"
    } else if name.trim() != name {
        "must not start or end with a space"
    } else {
        return Ok(());
    };
    let shown: String = name.chars().take(40).flat_map(char::escape_default).collect();
    Err(Error::new(ErrorKind::InvalidName, format!("the name of the {noun}, `{shown}`, {problem}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_environment_that_is_not_configured_has_a_default() {
        let resolved = |application: Option<&str>, environment: Option<&str>, variable: Option<&str>| {
            let (application, environment) = (application.map(str::to_owned), environment.map(str::to_owned));
            let identity = ApplicationIdentity::resolve(application, environment, variable.map(Into::into));
            let identity = identity.expect("the input is valid");
            (identity.application().to_owned(), identity.environment().to_owned())
        };
        let pair = |application: &str, environment: &str| (application.to_owned(), environment.to_owned());
        assert_eq!(resolved(None, None, None), pair("default", "development"));
        assert_eq!(
            resolved(None, None, Some("")),
            pair("default", "development"),
            "an empty variable is treated as not set"
        );
        assert_eq!(resolved(None, None, Some("production")), pair("default", "production"));
        assert_eq!(resolved(Some("shop"), Some("staging"), Some("production")), pair("shop", "staging"));
        // An explicit environment takes precedence over the variable.
        assert_eq!(resolved(Some("shop"), Some("staging"), Some(" \n")), pair("shop", "staging"));
        let invalid = ApplicationIdentity::resolve(None, None, Some("a\nb".into()));
        let error = invalid.expect_err("the value of the variable is not valid");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("`KOAN_ENV`"), "{error}");
    }

    #[test]
    fn unusual_names_are_accepted_unchanged_and_invalid_names_are_refused() {
        for name in ["a/b", "Ünïcödé 日本", "it's \"quoted\"; drop table", "a#b@c", "..", "%2e"] {
            let identity = ApplicationIdentity::new(name, name).expect(name);
            assert_eq!((identity.application(), identity.environment()), (name, name));
        }
        for name in ["", "  ", " shop", "shop ", "a\nb", "a\0b", "\u{202e}gpj", &"x".repeat(129)] {
            for identity in [ApplicationIdentity::new(name, "ok"), ApplicationIdentity::new("ok", name)] {
                assert_eq!(identity.expect_err(name).kind(), ErrorKind::InvalidName, "{name:?}");
            }
        }
    }
}
