//! The checks of one provider.

use std::sync::Arc;
use std::time::Duration;

use super::amounts::count_of;
use super::check::{Check, CheckCode, CheckSubject};
use super::time_limit::{no_response, within};
use crate::entity::EntityCodec;
use crate::entity::stream::StreamPart;
use crate::environment::{Environment, KnownEntity, object_names};
use crate::foundation::error::Result;
use crate::provider::{Provider, ProviderDescription, ProviderDiagnosis, Severity};
use crate::storage::MachineState;

/// The remedy for a database that cannot be read.
pub(super) const PROVIDER_REMEDY: &str =
    "check the path or address of the database, its permissions, and whether it runs";

/// The checks of a provider, and the description of its database if it could be read.
#[derive(Debug)]
pub(super) struct ProviderChecks {
    pub(super) checks: Vec<Check>,
    pub(super) description: Option<ProviderDescription>,
    /// The object names in its event store that no declaration has.
    pub(super) undeclared: Vec<String>,
}

/// Checks a provider: whether the database can be read, each of its entities, and its event store.
pub(super) async fn check(
    environment: &Environment,
    name: &str,
    provider: &Arc<dyn Provider>,
    state: &MachineState,
    limit: Duration,
) -> ProviderChecks {
    let entities: Vec<EntityCodec> = environment
        .entities
        .iter()
        .filter(|known| known.provider == name && !known.is_of_streams())
        .map(|known| known.codec.clone())
        .collect();
    let subject = CheckSubject::Provider;
    let (mut checks, description) = match within(limit, provider.diagnose(&entities, state)).await {
        None => {
            let remedy = "check the address, the network, and whether the database is overloaded or locked";
            (vec![no_response(subject, "the database", limit, remedy)], None)
        }
        Some(Err(error)) => {
            (vec![Check::of_error(subject, CheckCode::ProviderFailed, &error, PROVIDER_REMEDY)], None)
        }
        Some(Ok(found)) => examined(environment, name, found),
    };
    let mut undeclared = Vec::new();
    // A database that does not exist has no event store yet.
    if description.is_some() && provider.event_store().is_some() {
        match event_store(
            environment,
            name,
            within(limit, object_names::read(provider.as_ref())).await,
            limit,
        ) {
            Ok((check, names)) => {
                checks.extend(check);
                undeclared = names;
            }
            Err(check) => checks.push(check),
        }
    }
    let checks = checks.into_iter().map(|check| check.with_name(name)).collect();
    ProviderChecks { checks, description, undeclared }
}

/// Returns the check of an event store whose object names were read, if streams are declared for it, and the object names
/// that no declaration has.
///
/// # Errors
/// The object names could not be read. The error is the check.
fn event_store(
    environment: &Environment,
    name: &str,
    found: Option<Result<Vec<String>>>,
    limit: Duration,
) -> std::result::Result<(Option<Check>, Vec<String>), Check> {
    let subject = CheckSubject::Provider;
    let found = match found {
        None => {
            let remedy =
                "check the address, the network, and whether the event store is overloaded or locked";
            return Err(no_response(subject, "the event store", limit, remedy));
        }
        Some(Err(error)) => {
            let error = error.context("the event store cannot be read");
            return Err(Check::of_error(subject, CheckCode::ProviderFailed, &error, PROVIDER_REMEDY));
        }
        Some(Ok(found)) => found,
    };
    let is_covered = |known: &&KnownEntity| {
        let is_events = known.codec.descriptor().stream_part() == Some(StreamPart::Events);
        is_events && known.provider == name && known.policy.is_some()
    };
    let covered = environment.entities.iter().filter(is_covered).count();
    let detail = format!("the event store can be read, {}", count_of(covered, "event stream"));
    let check = (covered > 0).then(|| Check::ok(subject, detail));
    let undeclared =
        object_names::undeclared(found, name, &environment.entities, &environment.inventory.get());
    Ok((check, undeclared))
}

/// Returns the checks of a database that could be read.
fn examined(
    environment: &Environment,
    name: &str,
    found: ProviderDiagnosis,
) -> (Vec<Check>, Option<ProviderDescription>) {
    let subject = CheckSubject::Provider;
    let Some(description) = found.description else {
        return (vec![not_created_database(&found.summary)], None);
    };
    let inventory = environment.inventory.get();
    let is_covered = |entity: &str| inventory.policy(entity).is_some();
    let covered: Vec<_> =
        description.entities.iter().filter(|coverage| is_covered(&coverage.entity)).collect();
    let has_finding =
        |entity: &str| found.findings.iter().any(|known| known.entity.as_deref() == Some(entity));
    let mut problems = Vec::new();
    for finding in found.findings.iter().filter(|finding| finding.entity.as_deref().is_none_or(is_covered)) {
        let mut check = match (finding.severity, &finding.entity) {
            (Severity::Error, Some(_)) => {
                Check::problem(subject, CheckCode::EntityUnreadable, &finding.message)
            }
            (Severity::Error, None) => Check::problem(subject, CheckCode::ProviderFailed, &finding.message),
            (Severity::Warning | Severity::Note, _) => {
                Check::warning(subject, CheckCode::ProviderNotWritable, &finding.message)
            }
        };
        check.remedy.clone_from(&finding.remedy);
        problems.push(check);
    }
    for coverage in &covered {
        if let Some(problem) = coverage.problem.as_ref().filter(|_| !has_finding(&coverage.entity)) {
            let detail = format!("{} cannot be backed up: {problem}", coverage.entity);
            let check = Check::problem(subject, CheckCode::EntityUnreadable, detail);
            let remedy = "correct the table or the type, or exclude the entity with a reason; `inventory` shows \
                          its declaration";
            problems.push(check.with_remedy(remedy));
        }
    }
    let readable = covered
        .iter()
        .filter(|coverage| coverage.problem.is_none() && !has_finding(&coverage.entity))
        .count();
    let detail = format!("{}, {readable} of {} readable", found.summary, count_of(covered.len(), "entity"));
    let mut checks = vec![Check::ok(subject, detail).with_name(name)];
    checks.extend(problems);
    (checks, Some(description))
}

/// Returns the check of a database that does not exist yet.
pub(crate) fn not_created_database(database: &str) -> Check {
    let detail = format!("{database} is not created yet; the first backup or restore creates it");
    let check = Check::warning(CheckSubject::Provider, CheckCode::NotCreated, detail);
    check.with_remedy("restore a backup into it; if there should be data, mount the disk or correct the path")
}
