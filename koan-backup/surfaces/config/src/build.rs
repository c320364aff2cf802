//! Adds a configuration to the builder of a context.

mod defaults;
mod encryption;
mod provider;
mod provider_url;
mod storage;

use std::time::Duration;

use koan_backup_core::{ApplicationIdentity, Error, Keys, KoanBuilder, Recipients, Storage};

use crate::effective;
use crate::key_path;
use crate::loaded::Loaded;
use crate::origin::Origin;
use crate::problem::Problem;
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
    let settings = &loaded.settings;
    let mut build = Build { loaded, problems: Vec::new() };
    let builder = build.identity(builder, settings);
    let builder = build.providers(builder);
    build.finish_without_providers(builder)
}

/// Adds everything except the providers to a builder, or returns all problems.
pub(crate) fn build_without_providers(
    loaded: &Loaded,
    builder: KoanBuilder,
) -> Result<KoanBuilder, Vec<Problem>> {
    let mut build = Build { loaded, problems: Vec::new() };
    let builder = build.identity(builder, &loaded.settings);
    build.finish_without_providers(builder)
}

/// Opens the storage profiles, the default profile first.
pub(crate) fn storages(loaded: &Loaded) -> Result<Vec<(String, Storage)>, Vec<Problem>> {
    let mut build = Build { loaded, problems: Vec::new() };
    let storages = build.open_storages();
    match build.problems.is_empty() {
        true => Ok(storages),
        false => Err(build.problems),
    }
}

/// Returns the recipients, if they are configured, and the sources of keys.
pub(crate) fn encryption(loaded: &Loaded) -> Result<(Option<Recipients>, Vec<Keys>), Vec<Problem>> {
    let mut build = Build { loaded, problems: Vec::new() };
    let (recipients, keys) = (build.recipients(), build.keys());
    match build.problems.is_empty() {
        true => Ok((recipients, keys)),
        false => Err(build.problems),
    }
}

struct Build<'a> {
    loaded: &'a Loaded,
    problems: Vec<Problem>,
}

impl Build<'_> {
    /// Adds storage, encryption and the defaults of operations.
    fn finish_without_providers(mut self, builder: KoanBuilder) -> Result<KoanBuilder, Vec<Problem>> {
        let builder = self.storage(builder);
        let builder = self.encryption(builder);
        let builder = self.defaults(builder);
        let values = effective::values(&self.loaded.layers).into_iter();
        let fixed = values.filter(|value| value.origin == Origin::Fixed).map(|value| value.key);
        let builder = builder.fixed_settings(fixed);
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
        let problem = Problem::new(self.origin(key), key, format!("`{key}`: {}", error.chain()));
        self.problems.push(problem);
    }

    /// Returns the value of a result, or adds its error to the problems.
    fn accept<T>(&mut self, key: &str, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.fail(key, &error)).ok()
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
