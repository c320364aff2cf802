//! Checks whether a restore would work, without writing.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::drift::{self, FieldLoss};
use super::options::RestoreOptions;
use super::plan::{PlannedRestore, RestorePlan, plan};
use super::report::ViabilityReport;
use crate::archive::{Manifest, OpenDocuments};
use crate::catalog::StoredBackup;
use crate::encryption::Identities;
use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::{Capabilities, Finding, SessionOptions, Severity};

/// Opens the archive, plans the restore, and asks every provider. Does not read records.
///
/// # Errors
/// The archive is damaged, or what is selected is not in it.
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
    findings.extend(plan.values().flatten().filter_map(|part| {
        let locked = documents.require_unlocked(&part.entity).err()?;
        Some(Finding::new(Severity::Error, part.codec.name(), locked.to_string()))
    }));
    let parts: Vec<_> = plan.values().flatten().collect();
    Ok(ViabilityReport {
        id: backup.manifest.id,
        findings,
        work: parts
            .iter()
            .map(|part| (part.codec.name().to_owned(), part.target_set.clone(), part.entity.item_count))
            .collect(),
        record_count: parts.iter().map(|part| part.entity.item_count).sum(),
        size_bytes: parts.iter().map(|part| part.entity.size_bytes).sum(),
    })
}

/// Returns the archive of a backup.
pub(super) fn archive_of(manifest: &Manifest) -> Result<&crate::archive::ArchiveFile> {
    manifest.archive.as_ref().ok_or_else(|| {
        let why = manifest.error.as_deref().unwrap_or("it names no archive");
        Error::new(ErrorKind::Incompatible, format!("backup {} holds nothing to restore: {why}", manifest.id))
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
    for (name, parts) in plan {
        let sources: BTreeSet<_> = parts
            .iter()
            .filter_map(|part| documents.providers.get(&part.entity.provider)?.source.as_deref())
            .collect();
        let target = environment.provider(name)?.source();
        findings
            .extend(sources.into_iter().filter_map(|source| other_database(name, source, target.as_deref())));
        for part in parts {
            findings.extend(drift::findings(part, &documents.schemas, loss));
            let not_kept = part.not_kept.iter().cloned();
            findings.extend(not_kept.map(|text| Finding::new(Severity::Warning, part.codec.name(), text)));
        }
        let provider = environment.provider(name)?;
        let targets: Vec<_> = parts.iter().map(PlannedRestore::target).collect();
        findings.extend(provider.assess(&targets, &session).await?);
        findings.extend(unsupported(name, provider.capabilities(), parts, &session));
        if !provider.capabilities().atomic_restore {
            findings.push(Finding {
                severity: Severity::Warning,
                entity: None,
                message: format!(
                    "provider `{name}` has no transactions: a restore that fails leaves what it wrote"
                ),
            });
        }
    }
    Ok(findings)
}

/// Returns a note if the target is another database than the source. Restoring into a new or rebuilt database
/// is usual, so it is never refused.
fn other_database(name: &str, source: &str, target: Option<&str>) -> Option<Finding> {
    let target = target?;
    (source != target).then(|| Finding {
        severity: Severity::Note,
        entity: None,
        message: format!("provider `{name}` is `{target}`, and the backup was made from `{source}`"),
    })
}

/// Returns the findings about options that the provider does not support.
fn unsupported(
    name: &str,
    capabilities: Capabilities,
    parts: &[PlannedRestore],
    session: &SessionOptions,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if session.replace_existing && !capabilities.bulk_delete {
        let message = format!(
            "provider `{name}` cannot remove records, as `replace_existing` asks; restore without it"
        );
        findings.push(Finding { severity: Severity::Error, entity: None, message });
    }
    let named = parts.iter().filter(|part| !capabilities.sets && !part.target_set.is_root());
    findings.extend(named.map(|part| {
        let set = &part.target_set;
        let message = format!("provider `{name}` has no sets, and `{set}` is one; restore into `root`");
        Finding::new(Severity::Error, part.codec.name(), message)
    }));
    findings
}

/// Refuses a restore with a finding that would make it fail.
pub(super) fn require_viable(findings: &[Finding]) -> Result<()> {
    let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    match errors.split_first() {
        None => Ok(()),
        Some((first, rest)) => {
            let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
            Err(Error::new(
                drift::KIND,
                format!("the restore would fail, nothing was written: {first}{more}"),
            ))
        }
    }
}
