//! Opens the storage profiles.

use std::path::PathBuf;
use std::time::Duration;

use koan_backup_core::storage::StorageOptions;
use koan_backup_core::{ArchiveEncryption, Error, KoanBuilder, Storage};

use super::Build;
use crate::key_path;
use crate::secret::{CommandLimits, SecretText};
use crate::settings::StorageSettings;

/// The name of the profile that is used if none is declared.
const LOCAL: &str = "local";
/// The keys that have an effect on a directory or on memory.
const PLAIN_KEYS: [&str; 4] = ["url", "create_if_missing", "bandwidth_limit", "encrypt_archives"];
/// The keys that have an effect on a bucket of each cloud, in addition to [`PLAIN_KEYS`].
const BUCKET_KEYS: [&str; 4] = ["endpoint", "retries", "retry_within", "options"];
/// The schemes of databases.
const DATABASE_SCHEMES: [&str; 7] = ["sqlite", "postgres", "postgresql", "json", "mysql", "mongodb", "redis"];
/// The schemes of storages, for suggestions.
const SCHEMES: [&str; 5] = ["s3", "az", "gs", "file", "memory"];

/// The default number of retries.
const RETRIES: usize = 4;
/// The default time for retries.
const RETRY_WITHIN: Duration = Duration::from_secs(60);

impl Build<'_> {
    /// Opens all storage profiles, and adds them to the builder.
    pub(super) fn storage(&mut self, mut builder: KoanBuilder) -> KoanBuilder {
        let settings = &self.loaded.settings;
        if settings.storage.is_empty() {
            if let Some(directory) = self.default_directory() {
                builder = builder.default_storage_directory(directory);
            }
        } else if settings.paths.backups.is_some() {
            let message = "`paths.backups` has no effect, because storage profiles are declared";
            self.refuse("paths.backups", message, "remove it, or set the URL of a profile to this directory");
        }
        let names: Vec<_> = settings.storage.keys().map(String::as_str).collect();
        if settings.default_storage.is_none() && names.len() > 1 && !names.contains(&LOCAL) {
            let message = format!("none of the {} storage profiles is the default", names.len());
            self.refuse("storage", message, "set `default_storage` to the name of one of them");
        }
        for (name, storage) in self.opened() {
            builder = builder.without_storage(&name).named_storage(name, storage);
        }
        if let Some(name) = &settings.default_storage {
            builder = builder.default_storage(name);
        }
        builder
    }

    /// Opens all storage profiles, the default profile first.
    pub(super) fn open_storages(&mut self) -> Vec<(String, Storage)> {
        let settings = &self.loaded.settings;
        let mut opened = self.opened();
        if settings.storage.is_empty() {
            let directory = self.default_directory().unwrap_or_else(Storage::default_path);
            let local = self.accept("paths.backups", Storage::local(directory));
            opened.extend(local.map(|storage| (LOCAL.to_owned(), storage)));
        }
        let default = settings.default_storage.as_deref().unwrap_or(LOCAL);
        match opened.iter().position(|(name, _)| name == default) {
            Some(index) => opened[..=index].rotate_right(1),
            None if settings.default_storage.is_some() => {
                let suggestion = key_path::suggestion(default, settings.storage.keys().map(String::as_str));
                let message = format!("the default storage profile `{default}` does not exist");
                self.refuse("default_storage", message, &suggestion);
            }
            None => {}
        }
        opened
    }

    /// Returns the directory of the profile that is used if none is declared, if it is configured.
    fn default_directory(&self) -> Option<PathBuf> {
        let paths = &self.loaded.settings.paths;
        paths.backups.clone().or_else(|| paths.root.as_ref().map(|root| root.join("backups")))
    }

    fn opened(&mut self) -> Vec<(String, Storage)> {
        let mut opened = Vec::new();
        for (name, settings) in &self.loaded.settings.storage {
            let path = ["storage".to_owned(), name.clone()];
            let url_key = format!("{}.url", key_path::display(&path));
            let Some(url) = self.read(&url_key, &settings.url) else { continue };
            let scheme = scheme(&url);
            if scheme.as_deref().is_some_and(|scheme| DATABASE_SCHEMES.contains(&scheme)) {
                let message = format!("storage profile `{name}` is a database, which stores no archives");
                let remedy = format!("declare it under `providers`: `providers.{name} = \"…\"`");
                self.refuse(&url_key, message, &remedy);
                continue;
            }
            let (cloud_keys, kind) = match scheme.as_deref() {
                Some("s3") => (["region", "access_key_id", "secret_access_key"].as_slice(), "a bucket of S3"),
                Some("az") => (["access_key_id", "secret_access_key"].as_slice(), "a container of Azure"),
                Some("gs") => ([].as_slice(), "a bucket of Google Cloud Storage"),
                Some("memory") => ([].as_slice(), "memory"),
                None | Some("file") => ([].as_slice(), "a directory"),
                Some(unknown) => {
                    let suggestion = key_path::suggestion(unknown, SCHEMES.into_iter());
                    self.refuse(
                        &url_key,
                        format!("storage profile `{name}` has an unknown scheme"),
                        &suggestion,
                    );
                    continue;
                }
            };
            let is_bucket = matches!(scheme.as_deref(), Some("s3" | "az" | "gs"));
            let bucket_keys = if is_bucket { BUCKET_KEYS.as_slice() } else { &[] };
            let known: Vec<_> = PLAIN_KEYS.iter().chain(bucket_keys).chain(cloud_keys).copied().collect();
            if self.has_other_keys(&path, &known, kind) {
                continue;
            }
            let Some(settings) = &self.with_secrets(&path, settings) else { continue };
            let storage = match scheme {
                Some(_) if is_bucket => bucket_options(&url, settings).and_then(StorageOptions::open),
                Some(_) => Storage::url(&url),
                None => Storage::local(&url),
            };
            let storage = storage.and_then(|storage| with_options(storage, settings));
            opened.extend(self.accept(&url_key, storage).map(|storage| (name.clone(), storage)));
        }
        opened
    }

    /// Reads the secrets of a storage profile. Problems are collected.
    fn with_secrets(&mut self, path: &[String], settings: &StorageSettings) -> Option<StorageSettings> {
        let mut settings = settings.clone();
        let (parent, known) = (key_path::display(path), self.problems.len());
        self.resolve(&format!("{parent}.secret_access_key"), &mut settings.secret_access_key);
        for (name, value) in settings.options.iter_mut().flatten() {
            let key = [path, &["options".to_owned(), name.clone()]].concat();
            if let Some(text) = self.read(&key_path::display(&key), value) {
                *value = SecretText::Resolved(text);
            }
        }
        (self.problems.len() == known).then_some(settings)
    }
}

/// Opens the storage at an address: the path of a directory, or a URL such as `s3://bucket/prefix`, whose options come
/// from the environment variables of its cloud.
///
/// ```
/// # fn main() -> koan_backup::Result<()> {
/// # let folder = tempfile::tempdir().expect("a temporary directory");
/// # std::env::set_current_dir(folder.path()).expect("the directory exists");
/// let storage = koan_backup::config::open_storage(".koan/backups")?;
/// # drop(storage);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The URL is not valid, or the path is not a directory.
pub fn open_storage(address: &str) -> Result<Storage, Error> {
    match scheme(address) {
        Some(_) => Storage::url(address),
        None => Storage::local(address),
    }
}

/// Returns the scheme of a URL in lower case, or `None` for a path.
fn scheme(url: &str) -> Option<String> {
    let (scheme, _) = url.split_once(':')?;
    // One letter is a drive of Windows.
    let is_scheme =
        scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_scheme.then(|| scheme.to_ascii_lowercase())
}

/// Returns the options of a bucket, whose secrets were read.
pub(crate) fn bucket_options(url: &str, settings: &StorageSettings) -> Result<StorageOptions, Error> {
    let mut options = Storage::options(url);
    if let Some(region) = &settings.region {
        options = options.region(region);
    }
    if let Some(endpoint) = &settings.endpoint {
        options = options.endpoint(endpoint);
    }
    let is_azure = scheme(url).as_deref() == Some("az");
    let (id_option, secret_option) =
        if is_azure { ("account_name", "account_key") } else { ("access_key_id", "secret_access_key") };
    if let Some(id) = &settings.access_key_id {
        options = options.option(id_option, id);
    }
    if let Some(secret) = &settings.secret_access_key {
        options = options.option(secret_option, secret.read(&CommandLimits::default())?);
    }
    for (name, value) in settings.options.iter().flatten() {
        options = options.option(name, value.read(&CommandLimits::default())?);
    }
    if settings.retries.is_some() || settings.retry_within.is_some() {
        let within = settings.retry_within.map_or(RETRY_WITHIN, |time| time.0);
        options = options.retries(settings.retries.unwrap_or(RETRIES), within);
    }
    Ok(options)
}

/// Sets the options that every storage has.
fn with_options(mut storage: Storage, settings: &StorageSettings) -> Result<Storage, Error> {
    if settings.create_if_missing == Some(true) {
        storage = storage.create_if_missing();
    }
    if settings.encrypt_archives == Some(true) {
        storage = storage.archive_encryption(ArchiveEncryption::Always);
    }
    match settings.bandwidth_limit {
        Some(limit) => storage.bandwidth_limit(limit.get()),
        None => Ok(storage),
    }
}
