//! The results of restores, dry runs and viability checks.

use koan_backup_core::archive::Manifest;
use koan_backup_core::report::{Finding, RestoreReport, Severity, ViabilityReport};

use crate::amounts::{count, count_of, length, millis, size};
use crate::session::Session;
use crate::table::{Align, Table};

/// Prints the report of a restore or a dry run.
pub(super) fn print(session: &Session<'_>, manifest: &Manifest, into: &str, report: &RestoreReport) {
    let output = &session.output;
    if output.is_json() {
        output.message("summary", report);
        return;
    }
    let (name, id) = (&manifest.name, manifest.id.short());
    if report.dry_run {
        let at = session.moment(manifest.created_at);
        output.line(format!("Would restore {name} {id} ({at}) into {into}"));
    } else {
        output.line(format!("restored {name} {id} into {into} in {}", millis(report.duration_ms)));
    }
    let mut table = Table::new([
        ("ENTITY", Align::Fixed),
        ("SET", Align::Fixed),
        ("IN ARCHIVE", Align::Number),
        (if report.dry_run { "INSERT" } else { "INSERTED" }, Align::Number),
        (if report.dry_run { "UPDATE" } else { "UPDATED" }, Align::Number),
        ("UNCHANGED", Align::Number),
        (if report.dry_run { "KEEP" } else { "KEPT" }, Align::Number),
        (if report.dry_run { "DELETE" } else { "DELETED" }, Align::Number),
    ])
    .optional(&["KEPT", "KEEP", "UNCHANGED"]);
    for entity in &report.entities {
        let counts = &entity.counts;
        table.row([
            entity.entity.clone(),
            entity.set.to_string(),
            count(entity.records),
            count(counts.inserted),
            count(counts.updated),
            count(counts.unchanged),
            count(counts.kept),
            count(counts.deleted),
        ]);
    }
    table.lines(output.width()).iter().for_each(|line| output.line(line));
    if report.dry_run {
        output.line("Nothing was written. Run it without --dry-run to restore.");
    } else if !report.suspended.is_empty() {
        output.line(format!("Suspended and put back: {}", count_of(length(&report.suspended), "object")));
    }
    report.findings.iter().for_each(|finding| print_finding(session, finding));
}

/// Prints the report of a viability check. `what` is the backup and its target.
pub(super) fn viability(session: &Session<'_>, what: &str, report: &ViabilityReport) {
    let output = &session.output;
    if output.is_json() {
        output.message("viability", report);
        return;
    }
    let outcome = if report.is_viable() { "can be restored" } else { "cannot be restored" };
    output.line(format!(
        "{what} {outcome}: {}, {}, {}",
        count_of(length(&report.entries), "entry"),
        count_of(report.record_count, "record"),
        size(report.size_bytes)
    ));
    report.findings.iter().for_each(|finding| print_finding(session, finding));
}

fn print_finding(session: &Session<'_>, finding: &Finding) {
    let text = finding.to_string();
    match finding.severity {
        Severity::Note => session.output.labelled("note", &text),
        Severity::Warning => session.output.warning(&text),
        Severity::Error => session.output.labelled("error", &text),
    }
}
