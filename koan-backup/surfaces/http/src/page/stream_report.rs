//! The reports of operations on single backups of event streams.

use maud::{Markup, html};
use serde_json::Value;

use super::report_parts::{items, list, number, text};
use super::state::Level;
use super::wording::sentence;
use super::{address, wording};

/// Returns the report of a single backup.
pub(super) fn backup(result: &Value) -> Markup {
    html! {
        p.lead {
            (wording::counted(number(result, "eventCount"), "event")) ", "
            (wording::size(number(result, "sizeBytes"))) "."
        }
    }
}

/// Returns the report of single backups of many aggregates.
pub(super) fn backups(result: &Value) -> Markup {
    let (made, failures) = (items(result, "handles"), items(result, "failures"));
    let total = number(result, "total");
    let count = |items: &[Value]| u64::try_from(items.len()).unwrap_or(u64::MAX);
    let not_begun = total.saturating_sub(count(made)).saturating_sub(count(failures));
    html! {
        p.lead {
            (wording::number(count(made))) " of " (wording::counted(total, "aggregate")) " backed up."
            @if not_begun > 0 { " " (wording::number(not_begun)) " not begun." }
        }
        @if !failures.is_empty() {
            h2 { "Not backed up" }
            ul.problems {
                @for failure in failures {
                    li {
                        (Level::Problem.mark())
                        div {
                            @if !text(failure, "objectId").is_empty() { strong { (text(failure, "objectId")) } ": " }
                            (sentence(text(failure, "error")))
                        }
                    }
                }
            }
        }
    }
}

/// Returns the report of a restore or of a clone.
pub(super) fn restore(result: &Value) -> Markup {
    let kept = number(result, "keptTerminatedStreams");
    html! {
        p.lead {
            @match text(result, "outcome") {
                "kept" => "The aggregate exists and was not changed.",
                outcome => {
                    (wording::counted(number(result, "events"), "event")) " written. "
                    @if outcome == "replaced" { "The aggregate existed and was replaced." }
                    @else { "The aggregate did not exist before." }
                }
            }
        }
        @if kept > 0 {
            p { (wording::counted(kept, "terminated stream")) " kept, because the backup does not include such streams." }
        }
    }
}

/// Returns the report of a verification.
pub(super) fn verification(result: &Value) -> Markup {
    html! {
        p.lead {
            @match result.get("events").and_then(Value::as_u64) {
                Some(events) => { (Level::Ok.says("The backup is valid")) ": " (wording::counted(events, "event")) " read." },
                None => (Level::Attention.says("Only the hash of the file was compared.")),
            }
        }
        @if !text(result, "note").is_empty() { (list("Remarks", Level::Attention, &[text(result, "note")])) }
    }
}

/// Returns the report of the removal of expired backups: what was removed, what was kept and why, and what could not be
/// removed.
pub(super) fn cleanup(result: &Value) -> Markup {
    let count = |name: &str| u64::try_from(items(result, name).len()).unwrap_or(u64::MAX);
    html! {
        p.lead {
            (wording::counted(count("removed"), "expired backup")) " removed, "
            (wording::number(count("kept"))) " kept."
        }
        @if count("removed") > 0 {
            h2 { "Removed" }
            ul.problems {
                @for removed in items(result, "removed") {
                    li {
                        (Level::Ok.mark())
                        div { (backup_name(removed)) ", " (wording::size(number(removed, "freedBytes"))) }
                    }
                }
            }
        }
        @if count("kept") > 0 {
            h2 { "Kept" }
            ul.problems {
                @for kept in items(result, "kept") {
                    li {
                        (Level::Attention.mark())
                        div { (backup_name(&kept["backup"])) ": " (keep_reason(text(kept, "reason"))) }
                    }
                }
            }
        }
        (not_removed(result))
    }
}

/// Returns what could not be removed, finished or read.
fn not_removed(result: &Value) -> Markup {
    let failed = items(result, "failed").iter().map(|failed| {
        let backup = html! { span.id { (address::short(text(failed, "id"))) } };
        (backup, text(failed, "profile"), text(failed, "error"))
    });
    let unfinished = items(result, "unfinished").iter().map(|unfinished| {
        let record = html! { code { (text(unfinished, "record")) } };
        (record, text(unfinished, "profile"), text(unfinished, "error"))
    });
    let unreadable = items(result, "unreadable").iter().map(|file| {
        let path = html! { code { (text(file, "path")) } };
        (path, text(file, "profile"), text(file, "problem"))
    });
    let problems: Vec<_> = failed.chain(unfinished).chain(unreadable).collect();
    html! {
        @if !problems.is_empty() {
            h2 { "Not removed" }
            ul.problems {
                @for (what, profile, problem) in problems {
                    li { (Level::Problem.mark()) div { (what) " in " (profile) ": " (sentence(problem)) } }
                }
            }
        }
    }
}

/// Returns a single backup as people call it. An encrypted object id is not in the report.
fn backup_name(backup: &Value) -> Markup {
    html! {
        strong {
            (text(backup, "object")) " "
            @if text(backup, "objectId").is_empty() { "(encrypted)" } @else { (text(backup, "objectId")) }
        }
        " " span.id { (address::short(text(backup, "id"))) } " in " (text(backup, "profile"))
    }
}

fn keep_reason(reason: &str) -> &'static str {
    match reason {
        "lastOfExistingStream" => "It is the only backup of an aggregate that exists.",
        "withoutKey" => "No key decrypts its object id.",
        "unknownStream" => {
            "It is the only backup of its aggregate, and it is not known whether the aggregate exists."
        }
        _ => "It is still needed.",
    }
}
