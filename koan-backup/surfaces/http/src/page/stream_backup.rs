//! One single backup of event streams: what it holds, and what can be done with it.

use axum::extract::State;
use axum::response::Response;
use koan_backup_core::streams::StreamBackupHandle;
use maud::{Markup, html};

use super::form::{filled, visit_field};
use super::frame::{Refresh, Screen, View};
use super::{address, streams as streams_screen, wording};
use crate::access::Role;
use crate::access::extractor::Viewer;
use crate::orders::targets_of;
use crate::problem::Problem;
use crate::requests::QueryParameters;
use crate::requests::profile::PageProfile;
use crate::requests::restore::Conflict;
use crate::requests::streams::StreamBackupPath;
use crate::state::AppState;
use crate::streams;

/// What happens if the aggregate exists: the value, its name in forms, and what the option says.
const MODES: [(Conflict, &str, &str); 3] = [
    (Conflict::Fail, "fail", "Refuse the restore if the aggregate exists"),
    (Conflict::Keep, "keep", "Keep the aggregate if it exists"),
    (Conflict::Overwrite, "overwrite", "Replace the aggregate if it exists, and remove its later events"),
];

/// Returns one single backup.
pub(super) async fn show(
    Viewer(caller): Viewer,
    State(shared): AppState,
    StreamBackupPath(id): StreamBackupPath,
    QueryParameters(parameters): QueryParameters<PageProfile>,
) -> Result<Response, Problem> {
    let view = View::new(&shared, &caller);
    let backup = streams::find(&shared, id, filled(parameters.profile).as_deref()).await?;
    let content = html! {
        h1 { (backup.object) " " (streams_screen::object_id(&view, &backup)) " " span.id { (address::short(id)) } }
        p.lead {
            (wording::counted(backup.event_count, "event")) ", made " (view.time(backup.created_at)) ", "
            (wording::size(backup.size_bytes)) "."
        }
        @if view.may(Role::Operator) {
            form.actions method="post" action=(action(&view, &backup, "verify")) {
                (visit_field())
                input type="hidden" name="profile" value=(backup.profile);
                button type="submit" { "Verify" }
            }
        }
        (facts(&view, &backup))
        @if backup.object_id.is_none() {
            p.muted { "No key decrypts this backup, so it cannot be restored here." }
        } @else if view.may(Role::Admin) {
            (restore_form(&view, &backup))
            (clone_form(&view, &backup))
        } @else {
            p.muted { "An admin restores. Send an admin the address of this screen." }
        }
        @if view.may(Role::Admin) { (delete_form(&view, &backup)) }
    };
    Ok(view.page(Screen::Streams, "Single backup", Refresh::Never, &content))
}

fn action(view: &View<'_>, backup: &StreamBackupHandle, name: &str) -> String {
    view.link(format!("/streams/{}/{name}", backup.id))
}

fn facts(view: &View<'_>, backup: &StreamBackupHandle) -> Markup {
    let is_shown = !backup.is_encrypted() || view.may(Role::Operator);
    let query = serde_html_form::to_string([("storageProfile", &backup.profile)]).unwrap_or_default();
    html! {
        section aria-labelledby="facts" {
            h2 #facts { "What it holds" }
            dl.facts {
                dt { "Events" } dd { (wording::number(backup.event_count)) }
                dt { "Document" } dd { @if backup.includes.document { "included" } @else { "not included" } }
                dt { "Snapshots" } dd { (wording::number(backup.snapshot_count)) }
                dt { "Terminated streams" } dd { (wording::number(backup.terminated_stream_count)) }
                dt { "Made" } dd { (wording::exact_time(backup.created_at)) }
                dt { "Expires" } dd {
                    @match backup.expires_at { Some(at) => (wording::exact_time(at)), None => "never" }
                }
                @if is_shown {
                    @if let Some(description) = &backup.description { dt { "Description" } dd { (description) } }
                    @if !backup.tags.is_empty() { dt { "Tags" } dd { (backup.tags.join(", ")) } }
                    @for (key, value) in &backup.metadata { dt { (key) } dd { (value) } }
                }
                dt { "Encryption" } dd {
                    @if backup.is_encrypted() { "for the keys " (backup.key_ids.join(", ")) } @else { "none" }
                }
                dt { "Where it is" } dd { (backup.profile) ": " code { (backup.location) } }
                dt { "Id" } dd { code { (backup.id) } }
            }
            p {
                a href=(view.shared.links.to(&format!("/api/stream-backups/{}?{query}", backup.id))) {
                    "Backup as JSON"
                }
            }
        }
    }
}

fn modes(form: &str) -> Markup {
    html! {
        fieldset {
            legend { "If the aggregate exists" }
            @for (mode, value, text) in MODES {
                label.check {
                    input type="radio" id=(format!("{form}-{value}")) name="mode" value=(value) checked[mode == Conflict::Fail];
                    span { (text) }
                }
            }
        }
    }
}

fn confirmation(view: &View<'_>, backup: &StreamBackupHandle, form: &str) -> Markup {
    let targets = targets_of(view.shared, [backup.object.as_str()]).1;
    let names = targets.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let id = format!("{form}-confirm");
    html! {
        label for=(id) { "Type " strong { (names) } " to confirm the restore into this database" }
        input id=(id) name="confirm" required autocomplete="off" autocapitalize="none" spellcheck="false";
    }
}

fn restore_form(view: &View<'_>, backup: &StreamBackupHandle) -> Markup {
    html! {
        section aria-labelledby="restore" {
            h2 #restore { "Restore" }
            p { "The backup is verified before the first write. The restore is complete or has no effect." }
            form.narrow method="post" action=(action(view, backup, "restore")) {
                (visit_field())
                input type="hidden" name="profile" value=(backup.profile);
                (modes("restore"))
                (confirmation(view, backup, "restore"))
                button.danger type="submit" { "Restore" }
            }
        }
    }
}

fn clone_form(view: &View<'_>, backup: &StreamBackupHandle) -> Markup {
    html! {
        section aria-labelledby="clone" {
            h2 #clone { "Clone" }
            p { "The clone gets another object id, and the aggregate of the backup is not changed." }
            form.narrow method="post" action=(action(view, backup, "clone")) {
                (visit_field())
                input type="hidden" name="profile" value=(backup.profile);
                label for="clone-target" { "Object id of the clone" }
                input #clone-target name="target" required maxlength="1000" autocomplete="off" autocapitalize="none" spellcheck="false";
                (modes("clone"))
                (confirmation(view, backup, "clone"))
                button type="submit" { "Clone" }
            }
        }
    }
}

fn delete_form(view: &View<'_>, backup: &StreamBackupHandle) -> Markup {
    html! {
        section.danger-zone aria-labelledby="delete" {
            h2 #delete { "Delete" }
            form.narrow method="post" action=(action(view, backup, "delete")) {
                input type="hidden" name="profile" value=(backup.profile);
                p { "The backup is removed from " strong { (backup.profile) } ". The event store is not changed." }
                label.check {
                    input type="checkbox" name="confirmed" value="yes" required;
                    span { "Delete single backup " (address::short(backup.id)) }
                }
                button.danger type="submit" { "Delete" }
            }
        }
    }
}
