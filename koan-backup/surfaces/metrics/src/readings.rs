//! Readings of the storage profiles and of the catalog.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use koan_backup_core::catalog::CatalogEntry;
use koan_backup_core::{BackupId, Koan, Result};
use tokio::time::{Instant, timeout};

use crate::state::State;

/// The time of the last reading of each kind.
#[derive(Debug, Default)]
pub(crate) struct LastReadings {
    catalog: Option<Instant>,
    verifications: Option<Instant>,
}

impl LastReadings {
    /// Returns whether the catalog must be read again, and remembers that it is read now.
    pub(crate) fn is_catalog_due(&mut self, interval: Duration) -> bool {
        is_due(&mut self.catalog, interval)
    }

    /// Returns whether the verification records must be read again, and remembers that they are read now.
    pub(crate) fn are_verifications_due(&mut self, interval: Duration) -> bool {
        is_due(&mut self.verifications, interval)
    }

    /// Makes the next reading read the verification records again, because this one could not.
    pub(crate) fn forget_verifications(&mut self) {
        self.verifications = None;
    }
}

fn is_due(last: &mut Option<Instant>, interval: Duration) -> bool {
    let is_due = last.is_none_or(|last| last.elapsed() >= interval);
    if is_due {
        *last = Some(Instant::now());
    }
    is_due
}

/// The backups of the application in a storage profile, or `None` if the profile cannot be read in time.
#[derive(Debug)]
pub(crate) struct ProfileReading {
    profile: String,
    backups: Option<Vec<CatalogEntry>>,
}

/// Reads all storage profiles at the same time.
pub(crate) async fn read_profiles(koan: &Koan, limit: Duration) -> Vec<ProfileReading> {
    let profiles = koan.capabilities().profiles;
    join_all(profiles.into_iter().map(|profile| async {
        let identity = koan.identity();
        let query = koan.catalog().query().profiles(profile.name.as_str());
        let query = query.from_application(identity.application(), identity.environment());
        let page = in_time(limit, async { query.await }).await;
        if let Err(problem) = &page {
            tracing::debug!(
                target: "koan::metrics", profile = profile.name, problem, "a storage profile is not up"
            );
        }
        ProfileReading { profile: profile.name, backups: page.ok().map(|page| page.entries) }
    }))
    .await
}

/// Reads the verification records, or returns `None` if they cannot be read in time.
pub(crate) async fn read_verifications(
    koan: &Koan,
    limit: Duration,
) -> Option<BTreeMap<(String, BackupId), Timestamp>> {
    match in_time(limit, koan.catalog().verifications()).await {
        Ok(verifications) => Some(verifications),
        Err(problem) => {
            tracing::debug!(target: "koan::metrics", problem, "the verification records cannot be read");
            None
        }
    }
}

/// Reads when the newest single backup of each declared object name was made in each storage profile. A profile that cannot
/// be read in time has none.
pub(crate) async fn read_stream_backups(koan: &Koan, limit: Duration) -> Vec<(String, Timestamp)> {
    let capabilities = koan.capabilities();
    let objects = &capabilities.event_streams;
    let found = join_all(capabilities.profiles.iter().map(|profile| async {
        let read = async {
            let mut newest = Vec::new();
            for object in objects.keys() {
                let query = koan.stream_backups().object(object).profiles(profile.name.as_str());
                let page = query.without_keys().take(1).await?;
                newest.extend(page.backups.first().map(|backup| (object.clone(), backup.created_at)));
            }
            Ok(newest)
        };
        in_time(limit, read).await.unwrap_or_else(|problem| {
            tracing::debug!(
                target: "koan::metrics", profile = profile.name, problem, "the single backups cannot be read"
            );
            Vec::new()
        })
    }));
    found.await.into_iter().flatten().collect()
}

/// Returns the result of the work, or the problem as text, also if the work does not end in time.
async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T, String> {
    match timeout(limit, work).await {
        Ok(result) => result.map_err(|error| error.chain()),
        Err(_) => Err(format!("no answer within {} seconds", limit.as_secs_f64())),
    }
}

impl State {
    /// Records what was read.
    pub(crate) fn read(
        &mut self,
        profiles: &[ProfileReading],
        verifications: Option<&BTreeMap<(String, BackupId), Timestamp>>,
    ) {
        let mut entries = Vec::new();
        for reading in profiles {
            self.profiles.insert(reading.profile.clone(), reading.backups.is_some());
            entries.extend(reading.backups.iter().flatten());
        }
        // Newest first, so that the series of the newest backups have metrics if there are too many series.
        entries.sort_by_key(|entry| std::cmp::Reverse((entry.manifest().completed_at, entry.id())));
        for entry in entries {
            let Some(series) = self.series(entry.manifest().series_name().as_str()) else { continue };
            series.read(entry.manifest());
            let key = (entry.profile().to_owned(), entry.id());
            // The record of a verification that found damage is no proof that the series can be restored.
            if entry.damage().is_none()
                && let Some(at) = verifications.and_then(|all| all.get(&key))
            {
                series.verified(*at);
            }
        }
    }
}
