//! The reports of operations that have ended.

use maud::{Markup, html};
use serde_json::Value;

use super::frame::View;
use super::report_parts::{items, list, number, text, texts};
use super::state::Level;
use super::table::Column::{Number, Text};
use super::table::card;
use super::wording::sentence;
use super::{stream_report, wording};
use crate::operations::{Operation, OperationKind, OperationStatus};
use crate::problem::Problem;

/// Returns the report of an operation that has ended.
pub(super) fn of(view: &View<'_>, operation: &Operation) -> Markup {
    let problem = operation.error.as_ref().and_then(Problem::from_document);
    if let Some(problem) = problem {
        // A cancellation is what a person wanted, so it is no alert.
        return match operation.status {
            OperationStatus::Cancelled => html! { p { (sentence(problem.text().detail)) } },
            _ => html! {
                (failure(&problem))
                // What was made before the failure exists.
                @if operation.kind == OperationKind::StreamBackups {
                    @if let Some(result) = &operation.result { (stream_report::backups(result)) }
                }
            },
        };
    }
    let empty = Value::Null;
    let result = operation.result.as_ref().unwrap_or(&empty);
    match operation.kind {
        OperationKind::Backup => backup(result),
        OperationKind::Restore | OperationKind::DryRun => restore(result),
        OperationKind::Viability => viability(result),
        OperationKind::Verify => verification(result),
        OperationKind::StreamBackup => stream_report::backup(result),
        OperationKind::StreamBackups => stream_report::backups(result),
        OperationKind::StreamRestore | OperationKind::StreamClone => stream_report::restore(result),
        OperationKind::StreamVerify => stream_report::verification(result),
        OperationKind::StreamCleanup => stream_report::cleanup(result),
        _ => other(view, operation, result),
    }
}

fn failure(problem: &Problem) -> Markup {
    let text = problem.text();
    html! {
        div.notice.problem role="alert" {
            p { (sentence(text.detail)) }
            @if let Some(help) = text.help { p.help { (sentence(help)) } }
        }
    }
}

fn backup(result: &Value) -> Markup {
    html! {
        p.lead {
            (wording::counted(number(result, "entityCount"), "record")) ", "
            (wording::size(number(result, "sizeBytes")))
            @if result.get("verifiedAt").is_some_and(|at| !at.is_null()) { ", verified" } @else { ", not verified" }
            "."
        }
        (list("Warnings about a restore", Level::Attention, &texts(result, "warnings")))
    }
}

/// Returns the report of a restore or of a dry run.
pub(super) fn restore(result: &Value) -> Markup {
    let is_dry_run = result.get("dryRun").and_then(Value::as_bool).unwrap_or_default();
    let entities = items(result, "entities");
    let sum = |name: &str| entities.iter().map(|entity| number(&entity["counts"], name)).sum::<u64>();
    let changes = sum("inserted") + sum("updated") + sum("deleted");
    let kept = sum("kept");
    html! {
        p.lead {
            @match (is_dry_run, changes) {
                (true, 0) if kept > 0 => { "A restore would change nothing and keep " (wording::counted(kept, "existing record")) "." },
                (true, 0) => "A restore would change nothing.",
                (true, count) => { "A restore would change " (wording::counted(count, "record")) "." },
                (false, 0) if kept > 0 => { "The restore kept " (wording::counted(kept, "existing record")) " and changed nothing." },
                (false, 0) => "The database already contained these records.",
                (false, count) => { "The restore changed " (wording::counted(count, "record")) "." },
            }
        }
        (card(
            &[
                Text("Entity"),
                Number("Added"),
                Number("Overwritten"),
                Number("Deleted"),
                Number("Kept"),
                Number("Unchanged"),
            ],
            &html! {
                @for entity in entities {
                    @let counts = &entity["counts"];
                    tr {
                        th scope="row" {
                            (text(entity, "entity")) @if text(entity, "set") != "root" {
                                " (" (text(entity, "set")) ")"
                            }
                        }
                        td.number data-label="Added" { (wording::number(number(counts, "inserted"))) }
                        td.number data-label="Overwritten" { (wording::number(number(counts, "updated"))) }
                        td.number data-label="Deleted" { (wording::number(number(counts, "deleted"))) }
                        td.number data-label="Kept" { (wording::number(number(counts, "kept"))) }
                        td.number data-label="Unchanged" { (wording::number(number(counts, "unchanged"))) }
                    }
                }
            },
        ))
        (findings(result))
    }
}

/// Returns whether a viability report says that the restore would succeed.
pub(super) fn is_viable(result: &Value) -> bool {
    items(result, "findings").iter().all(|finding| text(finding, "severity") != "error")
}

/// Returns the report of a viability check.
pub(super) fn viability(result: &Value) -> Markup {
    let records = wording::counted(number(result, "recordCount"), "record");
    html! {
        p.lead {
            @if is_viable(result) { (Level::Ok.says("It would not be refused.")) }
            @else { (Level::Problem.says("It would be refused.")) }
            " It reads " (records) ", " (wording::size(number(result, "sizeBytes"))) "."
        }
        (findings(result))
    }
}

fn findings(result: &Value) -> Markup {
    let found = items(result, "findings");
    html! {
        @if !found.is_empty() {
            ul.problems {
                @for finding in found {
                    @let level = match text(finding, "severity") { "error" => Level::Problem, "warning" => Level::Attention, _ => Level::Ok };
                    li {
                        (level.mark())
                        div {
                            @if !text(finding, "entity").is_empty() { strong { (text(finding, "entity")) } ": " }
                            (sentence(text(finding, "message")))
                        }
                    }
                }
            }
        }
    }
}

fn verification(result: &Value) -> Markup {
    let checked: u64 = items(result, "entities").iter().map(|entity| number(entity, "recordsChecked")).sum();
    html! {
        p.lead {
            @if !texts(result, "undecrypted").is_empty() {
                (Level::Attention.says("What could be decrypted is valid"))
            } @else if result.get("sampled").and_then(Value::as_bool).unwrap_or_default() {
                (Level::Ok.says("The sample is valid"))
            } @else {
                (Level::Ok.says("What was verified is valid"))
            }
            ": " (wording::counted(checked, "record")) " read."
        }
        (list("Not decrypted, so that the content was not checked", Level::Attention, &texts(result, "undecrypted")))
        (list("Remarks", Level::Attention, &texts(result, "notes")))
    }
}

fn other(view: &View<'_>, operation: &Operation, result: &Value) -> Markup {
    let json = view.shared.links.to(&format!("/api/backup/operations/{}", operation.id));
    html! {
        (list("Warnings", Level::Attention, &texts(result, "warnings")))
        @if result.is_object() { p { "The complete report is part of the " a href=(json) { "operation as JSON" } "." } }
    }
}
