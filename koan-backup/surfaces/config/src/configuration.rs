//! A loaded configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use koan_backup_core::catalog::Expectations;
use koan_backup_core::{Keys, Koan, KoanBuilder, Recipients, Result, Retention, Storage};

use crate::build;
use crate::effective::{self, EffectiveValue};
use crate::http_server::HttpServer;
use crate::loaded::Loaded;
use crate::notification::NotificationTarget;
use crate::origin::Origin;
use crate::problem::Problem;
use crate::sources::ConfigurationSources;

/// A loaded configuration: its values are valid, and each has an origin.
///
/// ```
/// use koan_backup::config::Configuration;
///
/// # fn main() -> koan_backup::Result<()> {
/// # let folder = tempfile::tempdir().expect("a temporary directory");
/// # std::env::set_current_dir(folder.path()).expect("the directory exists");
/// # std::fs::write("koan.toml", "application = \"shop\"\n\n[backup]\nbatch_size = 500\n").expect("the file is written");
/// let configuration = Configuration::load("koan.toml")?;
/// for value in configuration.effective() {
///     println!("{} = {} ({})", value.key, value.value, value.origin);
/// }
/// let origins = configuration.origins();
/// assert_eq!(origins["backup.batch_size"].to_string(), "koan.toml:4:14");
/// assert_eq!(origins["backup.max_concurrency"].to_string(), "default");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Configuration {
    loaded: Loaded,
    effective: Vec<EffectiveValue>,
}

impl Configuration {
    /// Reads the file at `path`, which must exist, and the environment variables of this process.
    /// [`ConfigurationSources`] has more layers.
    ///
    /// # Errors
    /// The file cannot be read or is malformed, or a value is invalid. The error contains all problems, each with its
    /// place.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        ConfigurationSources::from(path).load()
    }

    pub(crate) fn from_sources(sources: &ConfigurationSources) -> Result<Self> {
        let loaded = Loaded::read(sources).map_err(|problems| Problem::error(&problems))?;
        Ok(Self::from_loaded(loaded))
    }

    pub(crate) fn from_loaded(loaded: Loaded) -> Self {
        let effective = effective::values(&loaded.layers);
        Self { loaded, effective }
    }

    pub(crate) fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// Returns all problems of the sources.
    pub(crate) fn problems(sources: &ConfigurationSources) -> Vec<Problem> {
        match Loaded::read(sources) {
            Err(problems) => problems,
            Ok(loaded) => build::problems(&loaded, Koan::builder()),
        }
    }

    /// Returns the effective values of all keys that are set or have a default, sorted by their keys. Secrets are
    /// displayed as `***`.
    pub fn effective(&self) -> &[EffectiveValue] {
        &self.effective
    }

    /// Returns the origin of each effective value, by its key.
    pub fn origins(&self) -> BTreeMap<&str, &Origin> {
        self.effective.iter().map(|value| (value.key.as_str(), &value.origin)).collect()
    }

    /// Returns the origin of the effective value of a key, or `None` if the key is not set and has no default.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.effective.iter().find(|value| value.key == key).map(|value| &value.origin)
    }

    /// Adds everything that is configured to a builder. Configured values replace those of the builder, also its
    /// providers and storage profiles with the same names.
    ///
    /// # Errors
    /// A secret cannot be read, a database or storage cannot be opened, or a value is refused. The error contains all
    /// problems, each with its place.
    pub fn apply(&self, builder: KoanBuilder) -> Result<KoanBuilder> {
        build::build(&self.loaded, builder).map_err(|problems| self.loaded.error(&problems))
    }

    /// Adds everything except the providers, for a context that uses existing backups only; see
    /// [`KoanBuilder::without_entities`]. No database is opened, and its secrets are not read.
    ///
    /// # Errors
    /// The errors of [`apply`](Self::apply), except those of providers.
    pub fn apply_without_providers(&self, builder: KoanBuilder) -> Result<KoanBuilder> {
        build::build_without_providers(&self.loaded, builder).map_err(|problems| self.loaded.error(&problems))
    }

    /// Opens the storage profiles with their names, the default profile first. If none is declared, it is the directory
    /// of the profile `local`. No store is contacted.
    ///
    /// # Errors
    /// A secret cannot be read, or a storage cannot be opened.
    pub fn storages(&self) -> Result<Vec<(String, Storage)>> {
        build::storages(&self.loaded).map_err(|problems| self.loaded.error(&problems))
    }

    /// Returns the recipients for which archives are encrypted, if they are configured.
    ///
    /// # Errors
    /// A public key is invalid, or the passphrase cannot be read.
    pub fn recipients(&self) -> Result<Option<Recipients>> {
        let encryption = build::encryption(&self.loaded).map_err(|problems| self.loaded.error(&problems))?;
        Ok(encryption.0)
    }

    /// Returns the sources of the keys that decrypt archives. The keys are read when they are needed.
    ///
    /// # Errors
    /// A public key is invalid, or the passphrase cannot be read.
    pub fn keys(&self) -> Result<Vec<Keys>> {
        let encryption = build::encryption(&self.loaded).map_err(|problems| self.loaded.error(&problems))?;
        Ok(encryption.1)
    }

    /// Returns the state directory, if it is set.
    pub fn state_directory(&self) -> Option<&Path> {
        self.loaded.settings.paths.root.as_deref()
    }

    /// Returns the name of the application, if it is set.
    pub fn application(&self) -> Option<&str> {
        self.loaded.settings.application.as_deref()
    }

    /// Returns the environment of the application, if it is set.
    pub fn environment(&self) -> Option<&str> {
        self.loaded.settings.environment.as_deref()
    }

    /// Returns the names of the providers, sorted.
    pub fn provider_names(&self) -> impl Iterator<Item = &str> {
        self.loaded.settings.providers.keys().map(String::as_str)
    }

    /// Returns the name of a backup to which no name is given, if it is set.
    pub fn default_backup_name(&self) -> Option<&str> {
        self.loaded.settings.backup.name.as_deref()
    }

    /// Returns the retention policy, if it has a rule or a limit.
    pub fn retention(&self) -> Option<Retention> {
        let settings = &self.loaded.settings.retention;
        build::has_rule(settings).then(|| build::retention(Retention::new(), settings))
    }

    /// Returns the targets of notifications, sorted by their names. `Notifier::configured` of the feature `notify` uses
    /// them.
    ///
    /// # Errors
    /// A secret cannot be read, or a target lacks a setting. The error contains all problems, each with its place.
    pub fn notifications(&self) -> Result<Vec<NotificationTarget>> {
        build::notifications(&self.loaded).map_err(|problems| Problem::error(&problems))
    }

    /// Returns the settings of the HTTP server, which the command `serve` uses.
    ///
    /// # Errors
    /// A setting is not valid. The error contains all problems, each with its place.
    pub fn http(&self) -> Result<HttpServer> {
        build::http(&self.loaded).map_err(|problems| self.loaded.error(&problems))
    }

    /// Returns what is expected of the backups.
    pub fn expectations(&self) -> Expectations {
        build::expectations(Expectations::new(), &self.loaded.settings.expectations)
    }
}

/// The output contains the effective values, which contain no secret.
impl fmt::Debug for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configuration").field("effective", &self.effective).finish_non_exhaustive()
    }
}

impl ConfigurationSources {
    /// Reads and checks all sources.
    ///
    /// # Errors
    /// A file cannot be read or is malformed, or a value is invalid. The error contains all problems, each with its
    /// place.
    pub fn load(self) -> Result<Configuration> {
        Configuration::from_sources(&self)
    }

    /// Checks all sources, opens providers and storage profiles, and returns all problems. No store is contacted.
    ///
    /// ```
    /// use koan_backup::config::ConfigurationSources;
    ///
    /// let problems = ConfigurationSources::new().flag("backup.batchsize", "1", "--set").check();
    /// assert_eq!(
    ///     problems[0].to_string(),
    ///     "flag --set: unknown key `batchsize` in `backup`; did you mean `batch_size`?"
    /// );
    /// ```
    pub fn check(&self) -> Vec<Problem> {
        Configuration::problems(self)
    }
}
