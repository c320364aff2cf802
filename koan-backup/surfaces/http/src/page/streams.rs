//! The list of the single backups of event streams, with its filter.

use axum::extract::State;
use axum::response::Response;
use koan_backup_core::streams::{StreamBackupHandle, UnreadableStreamBackup};
use koan_backup_core::{BackupId, ErrorKind};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::form::{Chosen, filled, visit_field};
use super::frame::{Refresh, Screen, View};
use super::state::Level;
use super::table::Column::{Number, Text};
use super::table::card;
use super::wording::sentence;
use super::{address, wording};
use crate::access::Role;
use crate::access::extractor::Viewer;
use crate::problem::{Problem, ProblemKind};
use crate::requests::QueryParameters;
use crate::state::{AppState, Shared};

/// The number of backups on a page of the list.
const PAGE_SIZE: usize = 50;

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

    fn is_set(&self) -> bool {
        self.object.is_some() || self.id.is_some()
    }

    /// Returns the address of another page of the list.
    fn address(&self, page: usize) -> Result<String, Problem> {
        let filter = Self { page: Some(page), ..self.clone() };
        let query = serde_html_form::to_string(filter)
            .map_err(|_| Problem::new(ProblemKind::Internal, "the address of a page cannot be composed"))?;
        Ok(format!("/streams?{query}"))
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
    let number = filter.page.unwrap_or(1).clamp(1, 1_000_000);
    let total = found.backups.len();
    let pages = total.div_ceil(PAGE_SIZE);
    let shown: Vec<_> = found.backups.iter().skip((number - 1) * PAGE_SIZE).take(PAGE_SIZE).collect();
    let count = u64::try_from(total).unwrap_or(u64::MAX);
    let was_deleted = was_deleted(&shared, &filter).await?;
    let without_key = u64::try_from(found.without_key).unwrap_or(u64::MAX);
    let content = html! {
        h1 {
            @match (total, filter.is_set()) {
                (0, false) => "There are no single backups",
                (_, false) => (wording::counted(count, "single backup")),
                (_, true) => { (wording::counted(count, "single backup")) " of this filter" },
            }
        }
        @if let Some(id) = filter.deleted.filter(|_| was_deleted) {
            p.notice role="status" {
                "Single backup " (address::short(id)) " is not in "
                (filter.from_profile.as_deref().unwrap_or_default()) " any more."
            }
        }
        p.lead { "A single backup contains the event streams of one aggregate." }
        @if view.may(Role::Operator) { (backup_form(&view)) }
        (filter_form(&view, &filter))
        @if shown.is_empty() { (empty(&view, &filter, total)?) } @else { (table(&view, &shown)) }
        @if pages > 1 && !shown.is_empty() {
            nav.pages aria-label="Pages" {
                @if number > 1 { a href=(view.link(filter.address(number - 1)?)) { "Newer" } }
                span { "Page " (number) " of " (pages) }
                @if number < pages { a href=(view.link(filter.address(number + 1)?)) { "Older" } }
            }
        }
        @if without_key > 0 {
            p {
                (Level::Attention.says(&wording::counted(without_key, "encrypted backup")))
                " may match as well. "
                @if view.may(Role::Operator) { "No key decrypts the object id." }
                @else { "A viewer does not see the object id." }
            }
        }
        (unreadable(&found.unreadable))
    };
    Ok(view.page(Screen::Streams, "Event streams", Refresh::Never, &content))
}

fn empty(view: &View<'_>, filter: &Filter, total: usize) -> Result<Markup, Problem> {
    let first = filter.address(1)?;
    Ok(html! {
        p.empty {
            @if total > 0 {
                "The list ends before this page. " a href=(view.link(first)) { "Show its first page" }
            } @else if filter.is_set() {
                "No single backup matches the filter. " a href=(view.link("/streams")) { "Show all single backups" }
            } @else {
                "Each single backup appears here once it is published."
            }
        }
    })
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

fn unreadable(files: &[UnreadableStreamBackup]) -> Markup {
    html! {
        @if !files.is_empty() {
            section aria-labelledby="unreadable" {
                h2 #unreadable { "Not readable" }
                ul.problems {
                    @for file in files.iter().take(PAGE_SIZE) {
                        li {
                            (Level::Problem.mark())
                            div { code { (file.path) } " in " (file.profile) ": " (sentence(&file.problem)) }
                        }
                    }
                }
            }
        }
    }
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
