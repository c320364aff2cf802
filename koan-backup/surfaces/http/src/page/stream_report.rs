//! The reports of operations on single backups of event streams.

use maud::{Markup, html};
use serde_json::Value;

use super::report_parts::{items, list, number, text};
use super::state::Level;
use super::wording;
use super::wording::sentence;

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

/// Returns the report of the removal of expired backups.
pub(super) fn cleanup(result: &Value) -> Markup {
    let count = |name: &str| u64::try_from(items(result, name).len()).unwrap_or(u64::MAX);
    let problems = items(result, "failed").iter().chain(items(result, "unfinished"));
    let problems = problems.map(|failed| text(failed, "error"));
    let problems = problems.chain(items(result, "unreadable").iter().map(|file| text(file, "problem")));
    html! {
        p.lead {
            (wording::counted(count("removed"), "expired backup")) " removed, "
            (wording::number(count("kept"))) " kept."
        }
        (list("Problems", Level::Problem, &problems.collect::<Vec<_>>()))
    }
}
