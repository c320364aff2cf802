//! Adds a configuration to the builder of a context.

mod defaults;
mod encryption;
mod http;
mod notifications;
mod provider;
mod provider_url;
mod storage;

use std::time::Duration;

use koan_backup_core::{ApplicationIdentity, Error, Keys, KoanBuilder, Recipients, Storage};

use crate::effective;
use crate::http_server::HttpServer;
use crate::key_path;
use crate::loaded::Loaded;
use crate::notification::NotificationTarget;
use crate::origin::Origin;
use crate::problem::Problem;
use crate::secret::SecretText;
use crate::settings::Settings;

pub(crate) use defaults::{expectations, has_rule, retention};
#[cfg(test)]
pub(crate) use provider::{address, json, postgres, sqlite};
#[cfg(test)]
pub(crate) use storage::bucket_options;
pub use storage::open_storage;

/// The interval of the discovery, if none is set.
const DISCOVERY_INTERVAL: Duration = Duration::from_secs(15 * 60);
/// The name of the environment that is used to check the name of the application.
const ANY_ENVIRONMENT: &str = "development";

/// Adds everything that is configured to a builder, or returns all problems.
pub(crate) fn build(loaded: &Loaded, builder: KoanBuilder) -> Result<KoanBuilder, Vec<Problem>> {
    let mut build = Build::new(loaded, MissingDatabases::Created);
    let builder = build.all(builder);
    build.finished(builder)
}

/// Returns the problems of adding everything to a builder, also those of the secrets of notifications.
pub(crate) fn problems(loaded: &Loaded, builder: KoanBuilder) -> Vec<Problem> {
    let mut build = Build::new(loaded, MissingDatabases::Created);
    build.notification_secrets = NotificationSecrets::Read;
    drop(build.all(builder));
    build.problems
}

/// Adds everything except the providers to a builder, or returns all problems.
pub(crate) fn build_without_providers(
    loaded: &Loaded,
    builder: KoanBuilder,
) -> Result<KoanBuilder, Vec<Problem>> {
    let mut build = Build::new(loaded, MissingDatabases::Created);
    let builder = build.identity(builder, &loaded.settings);
    let builder = build.all_except_providers(builder);
    build.finished(builder)
}

/// Opens the storage profiles, the default profile first.
pub(crate) fn storages(loaded: &Loaded) -> Result<Vec<(String, Storage)>, Vec<Problem>> {
    let mut build = Build::new(loaded, MissingDatabases::Created);
    let storages = build.open_storages();
    match build.problems.is_empty() {
        true => Ok(storages),
        false => Err(build.problems),
    }
}

/// Returns the targets of notifications.
pub(crate) fn notifications(loaded: &Loaded) -> Result<Vec<NotificationTarget>, Vec<Problem>> {
    let mut build = Build::new(loaded, MissingDatabases::Created);
    let targets = build.notifications();
    match build.problems.is_empty() {
        true => Ok(targets),
        false => Err(build.problems),
    }
}

/// Returns the settings of the HTTP server.
pub(crate) fn http(loaded: &Loaded) -> Result<HttpServer, Vec<Problem>> {
    let mut build = Build::new(loaded, MissingDatabases::Created);
    let server = build.http();
    match build.problems.is_empty() {
        true => Ok(server),
        false => Err(build.problems),
    }
}

/// Returns the recipients, if they are configured, and the sources of keys.
pub(crate) fn encryption(loaded: &Loaded) -> Result<(Option<Recipients>, Vec<Keys>), Vec<Problem>> {
    let mut build = Build::new(loaded, MissingDatabases::Created);
    let (recipients, keys) = (build.recipients(), build.keys());
    match build.problems.is_empty() {
        true => Ok((recipients, keys)),
        false => Err(build.problems),
    }
}

/// A builder with everything that could be opened, and what could not.
pub(crate) struct Opened {
    pub(crate) builder: KoanBuilder,
    pub(crate) problems: Vec<Problem>,
    /// The providers whose databases do not exist yet, each with the path.
    pub(crate) missing: Vec<(String, String)>,
}

/// Adds everything that is configured and can be opened to a builder. Creates no database.
pub(crate) fn open(loaded: &Loaded, builder: KoanBuilder) -> Opened {
    let mut build = Build::new(loaded, MissingDatabases::Reported);
    build.notification_secrets = NotificationSecrets::Read;
    let builder = build.all(builder);
    Opened { builder, problems: build.problems, missing: build.missing }
}

/// What happens to a database that is configured to be created if it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MissingDatabases {
    Created,
    Reported,
}

/// Whether the secrets of notifications are read, to find problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotificationSecrets {
    Read,
    NotRead,
}

struct Build<'a> {
    loaded: &'a Loaded,
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only SQLite creates databases"))]
    missing_databases: MissingDatabases,
    notification_secrets: NotificationSecrets,
    /// The providers whose databases do not exist, each with the path.
    missing: Vec<(String, String)>,
    problems: Vec<Problem>,
    /// The passphrase, which is read once; `None` inside if it cannot be read.
    passphrase: Option<Option<String>>,
}

impl<'a> Build<'a> {
    fn new(loaded: &'a Loaded, missing_databases: MissingDatabases) -> Self {
        let notification_secrets = NotificationSecrets::NotRead;
        Self {
            loaded,
            missing_databases,
            notification_secrets,
            missing: Vec::new(),
            problems: Vec::new(),
            passphrase: None,
        }
    }
}

impl Build<'_> {
    /// Adds everything to a builder. Problems are collected.
    fn all(&mut self, builder: KoanBuilder) -> KoanBuilder {
        let builder = self.identity(builder, &self.loaded.settings);
        let builder = self.providers(builder);
        match self.notification_secrets {
            NotificationSecrets::Read => drop(self.notifications()),
            NotificationSecrets::NotRead => self.check_notifications(),
        }
        self.check_http();
        self.all_except_providers(builder)
    }

    /// Adds storage, encryption and the defaults of operations. Problems are collected.
    fn all_except_providers(&mut self, builder: KoanBuilder) -> KoanBuilder {
        let builder = self.storage(builder);
        let builder = self.encryption(builder);
        let values = effective::values(&self.loaded.layers).into_iter();
        let fixed = values.filter(|value| value.origin == Origin::Fixed).map(|value| value.key);
        self.defaults(builder).fixed_settings(fixed)
    }

    /// Returns the builder, or all problems.
    fn finished(self, builder: KoanBuilder) -> Result<KoanBuilder, Vec<Problem>> {
        match self.problems.is_empty() {
            true => Ok(builder),
            false => Err(self.problems),
        }
    }

    /// Returns the place of the value of a key, or of the table that contains it.
    fn origin(&self, key: &str) -> Origin {
        let mut path = key_path::parse(key);
        loop {
            if let Some(node) = self.loaded.layers.merged.at(&path).filter(|_| !path.is_empty()) {
                return node.origin.clone();
            }
            if path.pop().is_none() {
                return Origin::Default;
            }
        }
    }

    fn refuse(&mut self, key: &str, message: impl Into<String>, remedy: &str) {
        let problem = Problem::new(self.origin(key), key, message).with_remedy(remedy);
        self.problems.push(problem);
    }

    fn fail(&mut self, key: &str, error: &Error) {
        let mut problem = Problem::new(self.origin(key), key, format!("`{key}`: {}", error.description()));
        problem.remedy = error.help().map(str::to_owned);
        self.problems.push(problem);
    }

    /// Returns the value of a result, or adds its error to the problems.
    fn accept<T>(&mut self, key: &str, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.fail(key, &error)).ok()
    }

    /// Reads a text or the secret that it refers to, or adds the error to the problems of its key.
    fn read(&mut self, key: &str, text: &SecretText) -> Option<String> {
        let read = text.read(&self.loaded.limits);
        self.accept(key, read)
    }

    /// Reads a secret that may be set, as [`read`](Self::read) does.
    fn resolve(&mut self, key: &str, secret: &mut Option<SecretText>) -> Option<()> {
        if let Some(text) = secret {
            *text = SecretText::Resolved(self.read(key, text)?);
        }
        Some(())
    }

    fn identity(&mut self, mut builder: KoanBuilder, settings: &Settings) -> KoanBuilder {
        if let Some(name) = &settings.application {
            self.accept("application", ApplicationIdentity::new(name, ANY_ENVIRONMENT));
            builder = builder.application(name);
        }
        if let Some(name) = &settings.environment {
            self.accept("environment", ApplicationIdentity::new(ANY_ENVIRONMENT, name));
            builder = builder.environment(name);
        }
        builder = match settings.deny_uncovered {
            Some(true) => builder.deny_uncovered(),
            Some(false) => builder.allow_uncovered(),
            None => builder,
        };
        if let Some(time) = settings.lease_time {
            if !(1..=3600).contains(&time.0.as_secs()) {
                self.refuse("lease_time", "`lease_time` must be from 1 second to 1 hour", "set another time");
            }
            builder = builder.lease_time(time.0);
        }
        if let Some(directory) = &settings.catalog_cache {
            builder = builder.catalog_cache(directory);
        }
        if let Some(directory) = &settings.paths.root {
            builder = builder.state_directory(directory);
        }
        builder
    }
}
