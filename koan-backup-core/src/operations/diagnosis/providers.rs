//! The checks of one provider.

use std::sync::Arc;
use std::time::Duration;

use super::amounts::count_of;
use super::check::{Check, CheckCode, CheckSubject};
use super::time_limit::{no_response, within};
use crate::entity::EntityCodec;
use crate::environment::Environment;
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
}

/// Checks a provider: whether the database can be read, and each of its entities.
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
        .filter(|known| known.provider == name)
        .map(|known| known.codec.clone())
        .collect();
    let subject = CheckSubject::Provider;
    let (checks, description) = match within(limit, provider.diagnose(&entities, state)).await {
        None => {
            let remedy = "check the address, the network, and whether the database is overloaded or locked";
            (vec![no_response(subject, "the database", limit, remedy)], None)
        }
        Some(Err(error)) => {
            (vec![Check::of_error(subject, CheckCode::ProviderFailed, &error, PROVIDER_REMEDY)], None)
        }
        Some(Ok(found)) => examined(environment, name, found),
    };
    let checks = checks.into_iter().map(|check| check.with_name(name)).collect();
    ProviderChecks { checks, description }
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
