//! Runs all checks.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio_util::task::TaskTracker;

use super::amounts::declarations;
use super::check::{Check, CheckCode, CheckSubject};
use super::options::DiagnosisOptions;
use super::report::Diagnosis;
use super::{ages, coverage, keys, providers, storages, stream_backups};
use crate::catalog::Expectations;
use crate::catalog::stream_backups::ExpiredStreams;
use crate::entity::stream::StreamPart;
use crate::environment::Environment;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::error::Result;
use crate::storage::{CLEANUP_TIMEOUT, MachineState};

/// What is examined.
#[derive(Debug)]
pub(crate) struct Examined {
    /// The providers, storage profiles and entities that could be opened.
    pub(crate) environment: Arc<Environment>,
    pub(crate) state: MachineState,
    pub(crate) expectations: Expectations,
    /// Who removes single backups that have expired.
    pub(crate) expired_streams: ExpiredStreams,
    /// The checks that were made before, for example that a database cannot be opened.
    pub(crate) checks: Vec<Check>,
}

/// Runs all checks at the same time. A provider or storage that does not respond delays no other check.
///
/// # Cancel safety
/// If the future is dropped, tasks remove the probes in the storages.
///
/// # Errors
/// The diagnosis was cancelled. The probes were removed, or a warning in the log names them.
pub(crate) async fn run(examined: Examined, options: &DiagnosisOptions) -> Result<Diagnosis> {
    let removals = TaskTracker::new();
    let work = async { Ok(diagnosis(examined, options.timeout, &removals).await) };
    let ended = until_cancelled(&options.cancel, work).await;
    removals.close();
    // A store that does not respond must not delay the end much longer.
    let _ = tokio::time::timeout(CLEANUP_TIMEOUT * 3, removals.wait()).await;
    ended
}

async fn diagnosis(examined: Examined, limit: Duration, removals: &TaskTracker) -> Diagnosis {
    let Examined { environment, state, expectations, expired_streams, mut checks } = examined;
    let environment = environment.as_ref();
    let was_checked = |checks: &[Check], subject| checks.iter().any(|check| check.subject == subject);
    if !was_checked(&checks, CheckSubject::Configuration) {
        checks.push(configuration(environment));
    }
    checks.extend(same_locations(environment));
    let of_providers = environment
        .providers
        .iter()
        .map(|(name, provider)| providers::check(environment, name, provider, &state, limit));
    let of_storages = environment
        .storages
        .iter()
        .map(|(name, storage)| storages::check(environment, name, storage, expired_streams, limit, removals));
    let (of_providers, of_storages, of_keys) =
        tokio::join!(join_all(of_providers), join_all(of_storages), keys::check(environment, limit));
    let (mut descriptions, mut undeclared) = (Vec::new(), Vec::new());
    for ((name, _), found) in environment.providers.iter().zip(of_providers) {
        checks.extend(found.checks);
        undeclared.extend(found.undeclared.into_iter().map(|object| (name.clone(), object)));
        descriptions.extend(found.description.map(|description| (name.clone(), description)));
    }
    let mut backups = Vec::new();
    let mut unread_count = checks.iter().filter(|check| is_failed_storage(environment, check)).count();
    for found in of_storages {
        checks.extend(found.checks);
        unread_count += usize::from(found.backups.is_none());
        backups.extend(found.backups);
    }
    // What could not be configured was checked before.
    if !was_checked(&checks, CheckSubject::Keys) {
        checks.extend(of_keys);
    }
    let inventory = environment.inventory.get();
    if !inventory.included.is_empty() || !inventory.uncovered.is_empty() {
        checks.extend(coverage::check(environment, &descriptions, &undeclared));
    }
    let entries: Vec<_> = backups.iter().flat_map(|found| found.entries.iter().cloned()).collect();
    checks.extend(keys::newest_backup(environment, &entries, limit).await);
    let encrypted: Vec<_> = backups.iter_mut().flat_map(|found| found.encrypted_streams.drain(..)).collect();
    checks.extend(stream_backups::keys(environment, &encrypted, limit).await);
    if !backups.is_empty() {
        checks.extend(ages::check(environment, backups, unread_count, &expectations));
    }
    Diagnosis::new(checks)
}

/// Returns whether a check states that a storage profile could not be opened before the diagnosis.
fn is_failed_storage(environment: &Environment, check: &Check) -> bool {
    let is_opened = |name: &String| environment.storages.iter().any(|(opened, _)| opened == name);
    check.subject == CheckSubject::Storage && check.name.as_ref().is_some_and(|name| !is_opened(name))
}

fn configuration(environment: &Environment) -> Check {
    let identity = &environment.identity;
    let count = |part| {
        let known = environment.entities.iter();
        known.filter(|known| known.codec.descriptor().stream_part() == part).count()
    };
    let entities = declarations(count(None), count(Some(StreamPart::Events)));
    let detail =
        format!("application {}, environment {}; {entities}", identity.application(), identity.environment());
    Check::ok(CheckSubject::Configuration, detail)
}

/// Returns a warning for each pair of storage profiles with the same location.
fn same_locations(environment: &Environment) -> Vec<Check> {
    let mut warnings = Vec::new();
    for (index, (name, storage)) in environment.storages.iter().enumerate() {
        let earlier = environment.storages[..index].iter();
        for (other, _) in earlier.filter(|(_, other)| other.is_same_location(storage)) {
            let detail = format!(
                "it has the same location as `{other}`, so a backup in both profiles is stored only once"
            );
            let check = Check::warning(CheckSubject::Storage, CheckCode::StorageShared, detail);
            let remedy = "give one of them another location, or declare only one profile";
            warnings.push(check.with_name(name).with_remedy(remedy));
        }
    }
    warnings
}
