//! Opens the providers.

use koan_backup_core::KoanBuilder;

use super::Build;
use super::provider_url::{ProviderKind, ProviderUrl};
use crate::key_path;
use crate::node::Node;
#[cfg(feature = "postgres")]
use crate::secret::CommandLimits;
use crate::settings::ProviderSettings;

impl Build<'_> {
    /// Opens all providers, and adds them to the builder.
    pub(super) fn providers(&mut self, mut builder: KoanBuilder) -> KoanBuilder {
        let configured = &self.loaded.settings.providers;
        // The first provider of the builder that is not replaced is the default if there is no provider `main`.
        let has_default = builder.provider_names().any(|name| !configured.contains_key(name));
        if configured.len() > 1 && !configured.contains_key(MAIN) && !has_default {
            let message = format!("none of the {} providers is the default", configured.len());
            self.refuse("providers", message, &format!("call the default provider `{MAIN}`"));
        }
        for (name, settings) in &self.loaded.settings.providers {
            let path = ["providers".to_owned(), name.clone()];
            let url_key = format!("{}.url", key_path::display(&path));
            let Some(text) = self.read(&url_key, &settings.url) else { continue };
            let url = match ProviderUrl::parse(&text) {
                Ok(url) => url,
                Err(problem) => {
                    self.refuse(&url_key, format!("the URL of provider `{name}` {problem}"), "correct it");
                    continue;
                }
            };
            if self.has_other_keys(&path, url.kind.keys(), url.kind.name()) {
                continue;
            }
            let Some(mut settings) = self.with_url_options(&path, &url, settings) else { continue };
            let password_key = format!("{}.password", key_path::display(&path));
            if self.resolve(&password_key, &mut settings.password).is_none() {
                continue;
            }
            builder = self.open(builder.without_provider(name), name, &url, &settings);
        }
        builder
    }

    /// Refuses keys of a table that have no effect on the kind of the object that the table describes, and returns
    /// whether there are such keys.
    pub(super) fn has_other_keys(&mut self, path: &[String], known: &[&str], kind: &str) -> bool {
        let count = self.problems.len();
        let Some(node) = self.loaded.layers.merged.at(path) else { return false };
        for entry in node.entries() {
            if !known.contains(&entry.key.as_str()) {
                let full = format!("{}.{}", key_path::display(path), entry.key);
                let message = format!("`{full}` has no effect on {kind}");
                self.refuse(&full, message, "remove it");
            }
        }
        self.problems.len() > count
    }

    /// Adds the options of a URL to the settings.
    fn with_url_options(
        &mut self,
        path: &[String],
        url: &ProviderUrl,
        settings: &ProviderSettings,
    ) -> Option<ProviderSettings> {
        let mut settings = settings.clone();
        let parent = key_path::display(path);
        let url_key = &format!("{parent}.url");
        for (name, value) in &url.options {
            let known: Vec<_> =
                url.kind.keys().iter().copied().filter(|key| URL_OPTIONS.contains(key)).collect();
            if !known.contains(&name.as_str()) {
                let suggestion = key_path::suggestion(name, known.into_iter());
                self.refuse(url_key, format!("`{url_key}` has the unknown option `{name}`"), &suggestion);
                return None;
            }
            if self.loaded.layers.merged.at(path).and_then(|node: &Node| node.get(name)).is_some() {
                let message = format!("`{name}` is set both in `{url_key}` and in `{parent}.{name}`");
                self.refuse(url_key, message, "remove one of them");
                return None;
            }
            if set(&mut settings, name, value).is_none() {
                self.refuse(
                    url_key,
                    format!("option `{name}` of `{url_key}` has an invalid value"),
                    "correct it",
                );
                return None;
            }
        }
        Some(settings)
    }

    #[allow(unused_variables, reason = "without the features of the providers, the settings are not read")]
    fn open(
        &mut self,
        builder: KoanBuilder,
        name: &str,
        url: &ProviderUrl,
        settings: &ProviderSettings,
    ) -> KoanBuilder {
        let key = key_path::display(&["providers".to_owned(), name.to_owned(), "url".to_owned()]);
        match url.kind {
            #[cfg(feature = "sqlite")]
            ProviderKind::Sqlite
                if self.missing_databases == super::MissingDatabases::Reported
                    && settings.create_if_missing == Some(true)
                    && !std::path::Path::new(&url.location).exists() =>
            {
                self.missing.push((name.to_owned(), url.location.clone()));
                builder.without_provider(name)
            }
            #[cfg(feature = "sqlite")]
            ProviderKind::Sqlite => {
                let opened = self.accept(&key, sqlite(&url.location, settings).open());
                opened.into_iter().fold(builder, |builder, provider| builder.named_provider(name, provider))
            }
            #[cfg(feature = "postgres")]
            ProviderKind::Postgres => {
                let address = address(&url.location, settings);
                let opened =
                    self.accept(&key, address.and_then(|address| postgres(&address, settings).connect()));
                opened.into_iter().fold(builder, |builder, provider| builder.named_provider(name, provider))
            }
            #[cfg(feature = "json")]
            ProviderKind::Json => {
                let opened = self.accept(&key, json(&url.location, settings));
                opened.into_iter().fold(builder, |builder, provider| builder.named_provider(name, provider))
            }
            #[cfg(feature = "memory")]
            ProviderKind::Memory => builder.named_provider(name, koan_backup_memory::Memory::new()),
            #[allow(unreachable_patterns, reason = "all features are enabled")]
            kind => {
                let feature = match kind {
                    ProviderKind::Sqlite => "sqlite",
                    ProviderKind::Postgres => "postgres",
                    ProviderKind::Json => "json",
                    ProviderKind::Memory => "memory",
                };
                let message =
                    format!("provider `{name}` needs the feature `{feature}`, which is not enabled");
                let remedy = format!("add it: koan-backup = {{ features = [\"{feature}\"] }}");
                self.refuse(&key, message, &remedy);
                builder
            }
        }
    }
}

/// The name of the default provider.
const MAIN: &str = "main";
/// The options that a URL may contain.
const URL_OPTIONS: [&str; 5] = ["read_only", "create_if_missing", "busy_timeout", "lock_timeout", "layout"];

/// Sets an option of a URL. Returns `None` if the value is not valid.
fn set(settings: &mut ProviderSettings, name: &str, value: &str) -> Option<()> {
    use crate::settings::LayoutSetting;
    use crate::time_span::TimeSpan;

    match name {
        "read_only" => settings.read_only = Some(value.parse().ok()?),
        "create_if_missing" => settings.create_if_missing = Some(value.parse().ok()?),
        "busy_timeout" => settings.busy_timeout = Some(TimeSpan::parse(value).ok()?),
        "lock_timeout" => settings.lock_timeout = Some(TimeSpan::parse(value).ok()?),
        "layout" => {
            settings.layout = Some(match value {
                "lines" => LayoutSetting::Lines,
                "documents" => LayoutSetting::Documents,
                _ => return None,
            });
        }
        _ => return None,
    }
    Some(())
}

#[cfg(feature = "sqlite")]
pub(crate) fn sqlite(path: &str, settings: &ProviderSettings) -> koan_backup_sqlite::SqliteOptions {
    let mut options = koan_backup_sqlite::Sqlite::options(path);
    if settings.read_only == Some(true) {
        options = options.read_only();
    }
    if settings.create_if_missing == Some(true) {
        options = options.create_if_missing();
    }
    if let Some(timeout) = settings.busy_timeout {
        options = options.busy_timeout(timeout.0);
    }
    for (table, reason) in settings.ignore_tables.iter().flatten() {
        options = options.ignore_table(table, reason);
    }
    for (name, reason) in settings.recomputed.iter().flatten() {
        options = options.recomputed_after_restore(name, reason);
    }
    options
}

/// Returns the address of a database, with the password of the settings, which was read.
#[cfg(feature = "postgres")]
pub(crate) fn address(url: &str, settings: &ProviderSettings) -> koan_backup_core::Result<String> {
    match &settings.password {
        Some(password) => Ok(with_password(url, &password.read(&CommandLimits::default())?)),
        None => Ok(url.to_owned()),
    }
}

#[cfg(feature = "postgres")]
pub(crate) fn postgres(address: &str, settings: &ProviderSettings) -> koan_backup_postgres::PostgresOptions {
    let mut options = koan_backup_postgres::Postgres::options(address);
    if let Some(connections) = settings.connections {
        options = options.connections(connections);
    }
    for schema in settings.schemas.iter().flatten() {
        options = options.schema(schema);
    }
    if let Some(path) = &settings.root_certificate {
        options = options.root_certificate(path);
    }
    if settings.refresh_materialized_views == Some(true) {
        options = options.refresh_materialized_views();
    }
    for (table, reason) in settings.ignore_tables.iter().flatten() {
        options = options.ignore_table(table, reason);
    }
    for (sequence, reason) in settings.ignore_sequences.iter().flatten() {
        options = options.ignore_sequence(sequence, reason);
    }
    for (view, reason) in settings.ignore_materialized_views.iter().flatten() {
        options = options.ignore_materialized_view(view, reason);
    }
    if let Some(reason) = &settings.ignore_large_objects {
        options = options.ignore_large_objects(reason);
    }
    for (column, reason) in settings.recomputed.iter().flatten() {
        options = options.recomputed_after_restore(column, reason);
    }
    options
}

/// Adds the password to an address, as a parameter.
#[cfg(feature = "postgres")]
fn with_password(address: &str, password: &str) -> String {
    let separator = if address.contains('?') { '&' } else { '?' };
    let encoded: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("{address}{separator}password={encoded}")
}

#[cfg(feature = "json")]
pub(crate) fn json(
    path: &str,
    settings: &ProviderSettings,
) -> koan_backup_core::Result<koan_backup_json::JsonFiles> {
    use crate::settings::LayoutSetting;

    let mut files = match settings.layout.unwrap_or(LayoutSetting::Lines) {
        LayoutSetting::Lines => koan_backup_json::JsonFiles::lines(path)?,
        LayoutSetting::Documents => koan_backup_json::JsonFiles::documents(path)?,
    };
    if settings.create_if_missing == Some(true) {
        files = files.create_if_missing();
    }
    if let Some(timeout) = settings.lock_timeout {
        files = files.lock_timeout(timeout.0);
    }
    Ok(files)
}
