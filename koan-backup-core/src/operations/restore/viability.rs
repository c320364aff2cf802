//! Checks, without writing, whether a restore would succeed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::drift::{self, FieldLoss};
use super::options::RestoreOptions;
use super::plan::{PlannedRestore, RestorePlan, plan};
use super::report::ViabilityReport;
use crate::archive::{Manifest, OpenDocuments};
use crate::catalog::StoredBackup;
use crate::encryption::Identities;
use crate::entity::stream::StreamPart;
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::event_store::EventStoreCapabilities;
use crate::provider::{Capabilities, Finding, SessionOptions, Severity};

/// Opens the archive, plans the restore, and lets every provider assess it. It does not read records.
///
/// # Errors
/// The archive is damaged, or it does not contain a selected entity or set.
pub(crate) async fn assess(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    identities: &Arc<Identities>,
    options: &RestoreOptions,
) -> Result<ViabilityReport> {
    options.validate()?;
    let archive = archive_of(&backup.manifest)?;
    let open = backup.open_archive(archive, identities).await?;
    let documents = open.documents();
    let plan = plan(environment, &backup.manifest, &documents.providers, options)?;
    let mut findings = findings(environment, backup, &plan, documents, options).await?;
    findings.extend(plan.values().flatten().filter_map(|entry| {
        let missing_key = documents.require_decrypted(&entry.entity).err()?;
        Some(Finding::new(Severity::Error, entry.codec.name(), missing_key.to_string()))
    }));
    let entries: Vec<_> = plan.values().flatten().collect();
    Ok(ViabilityReport {
        id: backup.manifest.id,
        findings,
        entries: entries
            .iter()
            .map(|entry| (entry.codec.name().to_owned(), entry.target_set.clone(), entry.entity.item_count))
            .collect(),
        record_count: entries.iter().map(|entry| entry.entity.item_count).sum(),
        size_bytes: entries.iter().map(|entry| entry.entity.size_bytes).sum(),
    })
}

/// Returns the archive of a backup.
pub(super) fn archive_of(manifest: &Manifest) -> Result<&crate::archive::ArchiveFile> {
    manifest.archive.as_ref().ok_or_else(|| {
        let reason = manifest.error.as_deref().unwrap_or("its manifest contains no archive");
        Error::new(
            ErrorKind::Incompatible,
            format!("backup {} contains nothing to restore: {reason}", manifest.id),
        )
    })
}

/// Returns the findings about a plan: changed types, and what the providers report.
pub(super) async fn findings(
    environment: &Environment,
    backup: &StoredBackup<'_>,
    plan: &RestorePlan,
    documents: &OpenDocuments,
    options: &RestoreOptions,
) -> Result<Vec<Finding>> {
    let loss = if options.allow_field_loss { FieldLoss::Allowed } else { FieldLoss::Refused };
    let session = options.session();
    let mut findings = Vec::new();
    let notes = backup.notes(&environment.identity).into_iter();
    findings.extend(notes.map(|message| Finding { severity: Severity::Warning, entity: None, message }));
    for (name, entries) in plan {
        let sources: BTreeSet<_> = entries
            .iter()
            .filter_map(|entry| documents.providers.get(&entry.entity.provider)?.source.as_deref())
            .collect();
        let target = environment.provider(name)?.source();
        findings
            .extend(sources.into_iter().filter_map(|source| other_database(name, source, target.as_deref())));
        for entry in entries {
            findings.extend(drift::findings(entry, &documents.schemas, loss));
            let not_preserved = entry.not_preserved.iter().cloned();
            findings
                .extend(not_preserved.map(|text| Finding::new(Severity::Warning, entry.codec.name(), text)));
        }
        let provider = environment.provider(name)?;
        let (streams, of_entities): (Vec<_>, Vec<_>) =
            entries.iter().partition(|entry| entry.codec.descriptor().stream_part().is_some());
        let targets: Vec<_> = of_entities.into_iter().map(PlannedRestore::target).collect();
        findings.extend(stream_findings(name, provider.event_store(), &streams));
        findings.extend(provider.assess(&targets, &session).await?);
        findings.extend(unsupported_option_findings(name, provider.capabilities(), entries, &session));
        if !provider.capabilities().atomic_restore {
            findings.push(Finding {
                severity: Severity::Warning,
                entity: None,
                message: format!(
                    "provider `{name}` has no transactions: a restore that fails does not undo what it has \
                     written"
                ),
            });
        }
    }
    Ok(findings)
}

/// Returns a note if the target database is not the database from which the backup was made. Restoring into a
/// new or rebuilt database is usual, so it is never refused.
fn other_database(name: &str, source: &str, target: Option<&str>) -> Option<Finding> {
    let target = target?;
    (source != target).then(|| Finding {
        severity: Severity::Note,
        entity: None,
        message: format!("provider `{name}` is `{target}`, and the backup was made from `{source}`"),
    })
}

/// Returns the findings about event streams that the provider cannot contain.
fn stream_findings(
    name: &str,
    store: Option<EventStoreCapabilities>,
    entries: &[&PlannedRestore],
) -> Vec<Finding> {
    let problem = |entry: &PlannedRestore| {
        let has_records = entry.entity.item_count > 0;
        let Some(store) = store else {
            return Some(format!(
                "provider `{name}` has no event store; add one with `.event_store(…)`, or exclude the event streams"
            ));
        };
        if !entry.target_set.is_root() {
            return Some(format!(
                "event streams have no sets, so they cannot be restored into `{}`",
                entry.target_set
            ));
        }
        match entry.codec.descriptor().stream_part()? {
            StreamPart::Documents if has_records && !store.documents => {
                Some(format!("the event store of provider `{name}` has no documents"))
            }
            StreamPart::Snapshots if has_records && !store.snapshots => {
                Some(format!("the event store of provider `{name}` has no snapshots"))
            }
            _ => None,
        }
    };
    let finding =
        |entry: &&PlannedRestore| Some(Finding::new(Severity::Error, entry.codec.name(), problem(entry)?));
    entries.iter().filter_map(finding).collect()
}

/// Returns the findings about options that the provider does not support.
fn unsupported_option_findings(
    name: &str,
    capabilities: Capabilities,
    entries: &[PlannedRestore],
    session: &SessionOptions,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if session.replace_existing && !capabilities.bulk_delete {
        let message = format!(
            "provider `{name}` cannot delete records, which `replace_existing` requires; restore without it"
        );
        findings.push(Finding { severity: Severity::Error, entity: None, message });
    }
    let named = entries.iter().filter(|entry| !capabilities.sets && !entry.target_set.is_root());
    findings.extend(named.map(|entry| {
        let set = &entry.target_set;
        let message = format!(
            "provider `{name}` does not support sets, so `{set}` cannot be restored into \
             it; restore into `root`"
        );
        Finding::new(Severity::Error, entry.codec.name(), message)
    }));
    findings
}

/// Refuses a restore with a finding that would make it fail.
pub(super) fn require_viable(findings: &[Finding]) -> Result<()> {
    let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    match errors.split_first() {
        None => Ok(()),
        Some((first, rest)) => {
            let more =
                if rest.is_empty() { String::new() } else { format!(" (other errors: {})", rest.len()) };
            Err(Error::new(
                drift::NOT_VIABLE_KIND,
                format!("the restore would fail, so nothing was written: {first}{more}"),
            ))
        }
    }
}
