//! The sources of a configuration.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::secret::CommandLimits;

/// Whether a file must exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Optional,
}

impl Presence {
    pub(crate) fn is_required(self) -> bool {
        self == Self::Required
    }
}

/// The sources of a configuration. From lowest to highest: defaults of the application, files, environment variables,
/// flags, and values that the application fixes.
///
/// ```
/// use koan_backup::config::ConfigurationSources;
///
/// # fn main() -> koan_backup::Result<()> {
/// # let folder = tempfile::tempdir().expect("a temporary directory");
/// # let path = folder.path().join("koan.toml");
/// # std::fs::write(&path, "[backup]\nbatch_size = 500\n").expect("the file is written");
/// let configuration = ConfigurationSources::new()
///     .default_value("backup.max_concurrency", "2")
///     .file(&path)
///     .environment()
///     .flag("backup.batch_size", "250", "--batch-size")
///     .fixed("deny_uncovered", "true")
///     .load()?;
/// let origin = configuration.origin("backup.batch_size").expect("the key is set");
/// assert_eq!(origin.to_string(), "flag --batch-size");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use = "the sources do nothing until they are loaded or checked"]
pub struct ConfigurationSources {
    pub(crate) defaults: Vec<(String, String)>,
    pub(crate) files: Vec<(PathBuf, Presence)>,
    pub(crate) variables: Vec<(String, String)>,
    /// The names of variables of which the name or the value is not Unicode text.
    pub(crate) undecodable_variables: Vec<String>,
    pub(crate) flags: Vec<(String, String, String)>,
    pub(crate) fixed: Vec<(String, String)>,
    pub(crate) limits: CommandLimits,
}

impl ConfigurationSources {
    /// Returns no sources.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a default of the application, which every other layer can change. `key` is the path of the key, for example
    /// `backup.batch_size`.
    pub fn default_value(mut self, key: impl Into<String>, text: impl Into<String>) -> Self {
        self.defaults.push((key.into(), text.into()));
        self
    }

    /// Adds a file, which must exist: TOML, YAML or JSON, by its extension. A later file has precedence over an earlier
    /// one.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push((path.into(), Presence::Required));
        self
    }

    /// Adds a file that is ignored if it does not exist.
    pub fn optional_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.files.push((path.into(), Presence::Optional));
        self
    }

    /// Adds the environment variables of this process: `KOAN__BACKUP__BATCH_SIZE` sets `backup.batch_size`. A variable
    /// with this prefix that is not in upper case or is not Unicode text is a problem.
    pub fn environment(self) -> Self {
        self.os_variables(std::env::vars_os())
    }

    pub(crate) fn os_variables(mut self, variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut decoded = Vec::new();
        for (name, value) in variables {
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => decoded.push((name, value)),
                (name, _) => {
                    let name = name.unwrap_or_else(|name| name.to_string_lossy().into_owned());
                    self.undecodable_variables.push(name);
                }
            }
        }
        self.undecodable_variables.sort();
        self.variables(decoded)
    }

    /// Adds environment variables in place of those of this process.
    pub fn variables(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.variables.extend(variables);
        self.variables.sort();
        self
    }

    /// Sets the value of a flag of the command line. `name` is the flag, for messages.
    pub fn flag(mut self, key: impl Into<String>, text: impl Into<String>, name: impl Into<String>) -> Self {
        self.flags.push((key.into(), text.into(), name.into()));
        self
    }

    /// Fixes a value. A file, variable or flag that sets it is refused.
    pub fn fixed(mut self, key: impl Into<String>, text: impl Into<String>) -> Self {
        self.fixed.push((key.into(), text.into()));
        self
    }

    /// Sets for how long each command that prints a secret may run when the configuration is applied or diagnosed: a
    /// minute by default. Then the command is killed. Commands in `encryption.keys` and `encryption.key_passphrase` are
    /// executed later, when keys are needed.
    pub fn command_timeout(mut self, limit: Duration) -> Self {
        self.limits.timeout = limit;
        self
    }

    /// Kills each command that prints a secret when the token is cancelled. The error is of kind
    /// [`ErrorKind::Cancelled`](koan_backup_core::ErrorKind::Cancelled).
    pub fn cancel_on(mut self, token: CancellationToken) -> Self {
        self.limits.cancel = token;
        self
    }
}

/// The file at this path and the environment variables of this process.
impl<P: AsRef<Path>> From<P> for ConfigurationSources {
    fn from(path: P) -> Self {
        Self::new().file(path.as_ref()).environment()
    }
}

/// The output contains the names of keys and variables, but no values, which may be secrets.
impl std::fmt::Debug for ConfigurationSources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys = |pairs: &[(String, String)]| pairs.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
        let flags: Vec<_> = self.flags.iter().map(|(key, ..)| key).collect();
        f.debug_struct("ConfigurationSources")
            .field("defaults", &keys(&self.defaults))
            .field("files", &self.files)
            .field("flags", &flags)
            .field("fixed", &keys(&self.fixed))
            .finish_non_exhaustive()
    }
}
