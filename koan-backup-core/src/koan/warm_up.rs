//! Opens all providers and storage profiles before the first backup: `koan.warm_up().await`.

use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;

use crate::catalog::{CatalogEntry, UnreadableManifest};
use crate::environment::Environment;
use crate::foundation::error::Error;
use crate::foundation::runtime::require_timers;

/// The report of [`Koan::warm_up`](crate::Koan::warm_up), which opens every provider and every storage profile.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let report = koan.warm_up().await;
/// assert!(report.is_clean(), "{report:?}");
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use = "the report contains the errors"]
pub struct WarmUpReport {
    /// The providers, in their order.
    pub providers: Vec<OpenedProvider>,
    /// The storage profiles, in their order.
    pub profiles: Vec<OpenedProfile>,
}

/// The result of opening a provider.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OpenedProvider {
    /// The name of the provider.
    pub name: String,
    /// The database product and its version; `None` if the provider could not be opened.
    pub version: Option<String>,
    /// How long the opening took, in milliseconds.
    pub duration_ms: u64,
    /// The error, if the provider could not be opened.
    pub problem: Option<String>,
}

/// The result of opening a storage profile.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct OpenedProfile {
    /// The name of the storage profile.
    pub name: String,
    /// The number of backups in the profile; `None` if they cannot be listed.
    pub backups: Option<usize>,
    /// When the newest backup in the profile started.
    pub newest: Option<Timestamp>,
    /// How long the opening took, in milliseconds.
    pub duration_ms: u64,
    /// The error, if the profile could not be opened, or if manifests in it cannot be read.
    pub problem: Option<String>,
}

impl WarmUpReport {
    /// Returns whether all providers and storage profiles were opened without an error.
    pub fn is_clean(&self) -> bool {
        self.providers.iter().all(|provider| provider.problem.is_none())
            && self.profiles.iter().all(|profile| profile.problem.is_none())
    }
}

pub(super) async fn warm_up(environment: &Environment) -> WarmUpReport {
    if let Err(error) = require_timers() {
        return failed(environment, &error);
    }
    let (mut providers, mut profiles) = (Vec::new(), Vec::new());
    for (name, provider) in &environment.providers {
        let started = Instant::now();
        let (version, problem) = match provider.describe(&[]).await {
            Ok(description) => (Some(description.version), None),
            Err(error) => (None, Some(error.chain())),
        };
        let duration_ms = elapsed_ms(started);
        providers.push(OpenedProvider { name: name.clone(), version, duration_ms, problem });
    }
    for (name, storage) in &environment.storages {
        let started = Instant::now();
        let listed = environment.manifests.all(name, storage).await;
        let (backups, newest, problem) = match listed {
            Ok(listing) => {
                (Some(listing.entries.len()), newest(&listing.entries), problem(&listing.unreadable))
            }
            Err(error) => (None, None, Some(error.chain())),
        };
        let duration_ms = elapsed_ms(started);
        profiles.push(OpenedProfile { name: name.clone(), backups, newest, duration_ms, problem });
    }
    WarmUpReport { providers, profiles }
}

/// Returns the report if nothing can be opened.
fn failed(environment: &Environment, error: &Error) -> WarmUpReport {
    let (duration_ms, problem) = (0, Some(error.chain()));
    let providers = environment.providers.iter().map(|(name, _)| OpenedProvider {
        name: name.clone(),
        version: None,
        duration_ms,
        problem: problem.clone(),
    });
    let profiles = environment.storages.iter().map(|(name, _)| OpenedProfile {
        name: name.clone(),
        backups: None,
        newest: None,
        duration_ms,
        problem: problem.clone(),
    });
    WarmUpReport { providers: providers.collect(), profiles: profiles.collect() }
}

fn problem(unreadable: &[UnreadableManifest]) -> Option<String> {
    let first = unreadable.first()?;
    Some(format!("{} manifest(s) cannot be read: {}", unreadable.len(), first.problem))
}

fn newest(entries: &[CatalogEntry]) -> Option<Timestamp> {
    entries.iter().map(|entry| entry.manifest().created_at).max()
}

fn elapsed_ms(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
