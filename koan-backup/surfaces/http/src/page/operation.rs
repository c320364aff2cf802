//! One operation: its progress, and its report once it has ended.

use axum::extract::State;
use axum::response::Response;
use koan_backup_core::BackupId;
use maud::{Markup, html};

use super::frame::{Refresh, Screen, View};
use super::{address, operations, report, state, wording};
use crate::access::Role;
use crate::access::extractor::Viewer;
use crate::backups;
use crate::operations::{Operation, OperationId, OperationKind, OperationStatus};
use crate::problem::Problem;
use crate::requests::PathParameters;
use crate::state::AppState;

/// Returns one operation.
pub(super) async fn show(
    Viewer(caller): Viewer,
    State(shared): AppState,
    path: PathParameters,
) -> Result<Response, Problem> {
    let view = View::new(&shared, &caller);
    let operation = shared.operations.get(OperationId::of_path(&path)?).await?;
    let runs = !operation.status.is_final();
    let own = view.link(address::operation(operation.id));
    let content = html! {
        div #operation {
            @if runs {
                // The events replace the progress. After the last one, the whole screen is read again.
                div hx-ext="sse" sse-connect=(format!("{own}/progress")) sse-close="end" {
                    div #progress sse-swap="progress" aria-live="polite" { (progress(&view, &operation)) }
                    div hx-get=(own) hx-trigger="sse:end" hx-select="#operation" hx-target="#operation" hx-swap="outerHTML" {

                    }
                }
                @if may_cancel(&view, &operation) {
                    form.actions method="post" action=(format!("{own}/cancel")) {
                        button type="submit" { "Cancel" }
                    }
                }
            } @else {
                (headline(&view, &operation))
                (report::of(&view, &operation))
                (next_step(&view, &operation))
            }
            (facts(&view, &operation))
        }
    };
    let title = state::operation_name(operation.kind);
    let refresh = if runs { Refresh::WhileRunning(&own) } else { Refresh::Never };
    Ok(view.page(Screen::Operations, title, refresh, &content))
}

/// Returns the state and the progress of an operation that has not ended.
pub(super) fn progress(view: &View<'_>, operation: &Operation) -> Markup {
    html! {
        (headline(view, operation))
        (figures(operation))
    }
}

/// Returns how far an operation is.
pub(super) fn figures(operation: &Operation) -> Markup {
    let progress = &operation.progress;
    let label = format!("{} %", progress.percent_complete);
    html! {
        progress max="100" value=(progress.percent_complete) aria-label="Progress" { (label) }
        p.figures {
            (label)
            @if progress.records_processed > 0 { " · " (wording::counted(progress.records_processed, "record")) }
            @if progress.bytes_processed > 0 { " · " (wording::size(progress.bytes_processed)) }
            @if let Some(entity) = &progress.current_entity { " · " (entity) }
            @if let Some(end) = progress.estimated_completion_at { " · ends about " (wording::exact(end)) }
        }
    }
}

fn headline(view: &View<'_>, operation: &Operation) -> Markup {
    let (level, text) = state::of_operation(operation.status);
    html! {
        h1 {
            (level.mark()) " " (state::operation_name(operation.kind))
            @if let Some(name) = &operation.backup_name { " " (name) }
            " " (text)
            @if let Some(at) = operation.completed_at { " " (view.time(at)) }
        }
    }
}

fn may_cancel(view: &View<'_>, operation: &Operation) -> bool {
    operation.status != OperationStatus::Cancelling
        && view.caller.require_cancellation_right(&operation.started_by.name).is_ok()
}

/// Returns a link to what a person does next.
fn next_step(view: &View<'_>, operation: &Operation) -> Markup {
    if operation.kind.is_of_streams() {
        return next_step_of_streams(view, operation);
    }
    let Some(id) = backup_id(operation) else { return html! {} };
    let of_profile = |start: &str, separator: &str| match &operation.storage_profile {
        Some(profile) => format!("/{start}{id}{separator}profile={}", address::encoded(profile)),
        None => format!("/{start}{id}"),
    };
    let target = match operation.kind {
        // A restored backup is not shown: a person looks at the database.
        OperationKind::Restore | OperationKind::DryRun | OperationKind::Viability
            if view.may(Role::Operator) =>
        {
            Some((of_profile("restore?backup=", "&"), "Back to the restore"))
        }
        _ => Some((of_profile("backups/", "?"), "Show the backup")),
    };
    let target = target.filter(|_| operation.status != OperationStatus::Cancelled);
    html! {
        @if let Some((route, text)) = target { p.actions { a.button href=(view.link(route)) { (text) } } }
    }
}

/// Returns a link to the single backup that an operation has made or used, or to their list.
fn next_step_of_streams(view: &View<'_>, operation: &Operation) -> Markup {
    let result = operation.result.as_ref();
    let made = result.and_then(|result| result.get("id")?.as_str()?.parse().ok());
    let id = operation.backup_id.or(made.filter(|_| operation.kind == OperationKind::StreamBackup));
    let (route, text) = match id {
        Some(id) => {
            let profile = operation.storage_profile.as_deref();
            let profile = profile.map_or_else(|| backups::default_profile(&view.shared.koan), str::to_owned);
            (address::stream_backup(id, &profile), "Show the single backup")
        }
        None => ("/streams".to_owned(), "Show the single backups"),
    };
    html! { p.actions { a.button href=(view.link(route)) { (text) } } }
}

/// Returns the backup that an operation has made or used.
fn backup_id(operation: &Operation) -> Option<BackupId> {
    let has_published = operation.status.has_succeeded() || operation.kind != OperationKind::Backup;
    operation.backup_id.or(operation.progress.backup_id).filter(|_| has_published)
}

fn facts(view: &View<'_>, operation: &Operation) -> Markup {
    html! {
        section aria-labelledby="facts" {
            h2 #facts { "Details" }
            dl.facts {
                dt { "Started by" } dd {
                    (operations::initiator(&operation.started_by.name)) " (" (operation.started_by.role) ")"
                }
                @if let Some(reason) = &operation.reason { dt { "Reason" } dd { (reason) } }
                dt { "Accepted" } dd { (wording::exact_time(operation.created_at)) }
                @if let Some(at) = operation.started_at { dt { "Started" } dd { (wording::exact_time(at)) } }
                @if let Some(at) = operation.completed_at { dt { "Ended" } dd { (wording::exact_time(at)) } }
                @if let Some(cancellation) = &operation.cancellation {
                    dt { "Cancelled by" } dd { (operations::initiator(&cancellation.requested_by)) }
                }
                @if !operation.providers.is_empty() { dt { "Databases" } dd { (operation.providers.join(", ")) } }
                dt { "Id" } dd { code { (operation.id) } }
            }
            p {
                a href=(view.shared.links.to(&format!("/api/backup/operations/{}", operation.id))) {
                    "Operation as JSON"
                }
            }
        }
    }
}
