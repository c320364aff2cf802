//! The list of the single backups of event streams, with its filter.

use axum::extract::State;
use axum::response::Response;
use koan_backup_core::streams::{StreamBackupHandle, UnreadableStreamBackup};
use koan_backup_core::{BackupId, ErrorKind};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::form::{Chosen, filled, visit_field};
use super::frame::{Refresh, Screen, View};
use super::list::{ListFilter, ListPage, PAGE_SIZE, unreadable};
use super::state::Level;
use super::table::Column::{Number, Text};
use super::table::card;
use super::wording::sentence;
use super::{address, wording};
use crate::access::Role;
use crate::access::extractor::Viewer;
use crate::problem::Problem;
use crate::requests::QueryParameters;
use crate::state::{AppState, Shared};

/// The filter of the list.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<usize>,
    /// The backup that was just deleted, and its storage profile.
    #[serde(skip_serializing)]
    deleted: Option<BackupId>,
    #[serde(skip_serializing)]
    from_profile: Option<String>,
}

impl Filter {
    /// Removes fields that a person left empty.
    fn cleaned(self) -> Self {
        let Self { object, id, .. } = self.clone();
        Self { object: filled(object), id: id.filter(|id| !id.is_empty()), ..self }
    }
}

impl ListFilter for Filter {
    const ROUTE: &'static str = "/streams";
    const ITEM: &'static str = "single backup";

    fn is_set(&self) -> bool {
        self.object.is_some() || self.id.is_some()
    }

    fn page(&self) -> Option<usize> {
        self.page
    }

    fn at_page(&self, page: usize) -> Self {
        Self { page: Some(page), ..self.clone() }
    }
}

/// Returns the list.
pub(super) async fn show(
    Viewer(caller): Viewer,
    State(shared): AppState,
    QueryParameters(filter): QueryParameters<Filter>,
) -> Result<Response, Problem> {
    let view = View::new(&shared, &caller);
    let filter = filter.cleaned();
    let mut query = crate::streams::query_for(&shared.koan, caller.role());
    if let Some(object) = &filter.object {
        query = query.object(object);
    }
    if let Some(id) = &filter.id {
        query = query.object_id(id);
    }
    let found = query.await?;
    let list = ListPage::new(&view, &filter, found.backups.len());
    let shown: Vec<_> = found.backups.iter().skip(filter.skipped()).take(PAGE_SIZE).collect();
    let was_deleted = was_deleted(&shared, &filter).await?;
    let without_key = u64::try_from(found.without_key).unwrap_or(u64::MAX);
    let content = html! {
        h1 { (list.heading()) }
        @if let Some(id) = filter.deleted.filter(|_| was_deleted) {
            (list.deleted(id, filter.from_profile.as_deref().unwrap_or_default()))
        }
        p.lead { "A single backup contains the event streams of one aggregate." }
        @if view.may(Role::Operator) { (backup_form(&view)) }
        (filter_form(&view, &filter))
        @if shown.is_empty() { (list.empty(&html! {})?) } @else { (table(&view, &shown)) }
        (list.links()?)
        @if without_key > 0 {
            p {
                (Level::Attention.says(&wording::counted(without_key, "encrypted backup")))
                " may match as well. "
                @if view.may(Role::Operator) { "No key decrypts the object id." }
                @else { "A viewer does not see the object id." }
            }
        }
        (unreadable(found.unreadable.iter().map(unreadable_file)))
        @if view.may(Role::Admin) { (cleanup_form(&view)) }
    };
    Ok(view.page(Screen::Streams, "Event streams", Refresh::Never, &content))
}

/// Returns the object names that are backed up.
fn objects(view: &View<'_>) -> Vec<String> {
    view.shared.koan.capabilities().event_streams.into_keys().collect()
}

fn backup_form(view: &View<'_>) -> Markup {
    let objects = objects(view);
    html! {
        @if objects.is_empty() {
            p.empty { "No event streams are covered. Derive " code { "EventStream" } " for an enum of events." }
        } @else {
            form.filter method="post" action=(view.link("/streams/backup")) aria-label="Back up event streams" {
                (visit_field())
                div {
                    label for="backup-object" { "Object name" }
                    select #backup-object name="object" {
                        @for object in &objects { option value=(object) { (object) } }
                    }
                }
                div {
                    label for="backup-id" { "Object id (empty for all)" }
                    input #backup-id name="id" autocomplete="off" autocapitalize="none" spellcheck="false";
                }
                label.check {
                    input type="checkbox" name="full" value="yes" checked;
                    span { "With snapshots and terminated streams" }
                }
                button.primary type="submit" { "Back up" }
            }
        }
    }
}

fn cleanup_form(view: &View<'_>) -> Markup {
    html! {
        section.danger-zone aria-labelledby="cleanup" {
            h2 #cleanup { "Remove expired backups" }
            form.narrow method="post" action=(view.link("/streams/cleanup")) {
                (visit_field())
                p {
                    "Single backups that have expired are removed from all storage profiles, whatever the filter shows. The \
                     only backup of an aggregate that exists is kept."
                }
                label.check {
                    input type="checkbox" name="confirmed" value="yes" required;
                    span { "Remove expired single backups" }
                }
                button.danger type="submit" { "Remove" }
            }
        }
    }
}

fn filter_form(view: &View<'_>, filter: &Filter) -> Markup {
    html! {
        details open[filter.is_set()] {
            summary { "Filter" }
            form.filter method="get" action=(view.link("/streams")) role="search" {
                div {
                    label for="object" { "Object name" }
                    input #object name="object" list="objects" value=(filter.object.as_deref().unwrap_or_default());
                    datalist #objects { @for object in objects(view) { option value=(object) {} } }
                }
                div {
                    label for="id" { "Object id" }
                    input #id name="id" value=(filter.id.as_deref().unwrap_or_default());
                }
                button type="submit" { "Filter" }
            }
        }
    }
}

/// Returns the object id, or `(encrypted)` for a viewer, who does not see the ids of encrypted streams.
pub(super) fn object_id(view: &View<'_>, backup: &StreamBackupHandle) -> Markup {
    let is_shown = !backup.is_encrypted() || view.may(Role::Operator);
    html! {
        @match backup.object_id.as_ref().filter(|_| is_shown) {
            Some(id) => (id),
            None => "(encrypted)",
        }
    }
}

fn table(view: &View<'_>, backups: &[&StreamBackupHandle]) -> Markup {
    html! {
        (card(
            &[
                Text("Backup"),
                Text("Object name"),
                Text("Object id"),
                Text("Made"),
                Text("Expires"),
                Number("Events"),
                Number("Size"),
                Text("Storage"),
            ],
            &html! {
                @for backup in backups {
                    tr {
                        th scope="row" {
                            a href=(view.link(address::stream_backup(backup.id, &backup.profile))) {
                                span.id { (address::short(backup.id)) }
                            }
                        }
                        td data-label="Object name" { (backup.object) }
                        td data-label="Object id" { (object_id(view, backup)) }
                        td data-label="Made" { (view.time(backup.created_at)) }
                        td data-label="Expires" {
                            @match backup.expires_at { Some(at) => (view.time(at)), None => "never" }
                        }
                        td.number data-label="Events" { (wording::number(backup.event_count)) }
                        td.number data-label="Size" { (wording::size(backup.size_bytes)) }
                        td data-label="Storage" { (backup.profile) }
                    }
                }
            },
        ))
    }
}

fn unreadable_file(file: &UnreadableStreamBackup) -> Markup {
    html! { code { (file.path) } " in " (file.profile) ": " (sentence(&file.problem)) }
}

/// Returns whether the backup in the address is not in its storage profile.
async fn was_deleted(shared: &Shared, filter: &Filter) -> Result<bool, Problem> {
    let (Some(id), Some(profile)) = (filter.deleted, &filter.from_profile) else { return Ok(false) };
    match shared.koan.stream_backup(id).from_profile(profile).await {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// The form of a new single backup.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackupForm {
    pub(super) visit: String,
    pub(super) object: String,
    pub(super) id: Option<String>,
    pub(super) full: Option<Chosen>,
}
