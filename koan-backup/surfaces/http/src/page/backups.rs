//! The list of the backups, with its filter.

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use koan_backup_core::BackupId;
use koan_backup_core::archive::{BackupStatus, Manifest};
use koan_backup_core::catalog::{CatalogEntry, Order, SortBy};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::chart::Point;
use super::form::{Chosen, filled};
use super::frame::{Refresh, Screen, View};
use super::list::{ListFilter, ListPage, PAGE_SIZE, unreadable};
use super::table::Column::{Number, Text};
use super::table::card;
use super::wording::sentence;
use super::{address, chart, overview, state, wording};
use crate::access::Role;
use crate::access::extractor::Viewer;
use crate::problem::{Problem, ProblemKind};
use crate::requests::QueryParameters;
use crate::series::{self, Verifications, Verified};
use crate::state::{AppState, Shared};

/// The filter of the list.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<usize>,
    /// Whether backups of other applications in the same storage are shown as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<Chosen>,
    /// The backup that was just deleted, and its storage profile.
    #[serde(skip_serializing)]
    deleted: Option<BackupId>,
    #[serde(skip_serializing)]
    from_profile: Option<String>,
}

/// The states of the filter: the value of the option, and its text.
const STATES: [(&str, &str); 6] = [
    ("", "any"),
    ("complete", "complete"),
    ("healthy", "complete, without warnings"),
    ("attention", "needs attention"),
    ("failed", "failed"),
    ("cancelled", "cancelled"),
];

impl Filter {
    /// Removes fields that a person left empty.
    fn cleaned(self) -> Self {
        let Self { name, tag, entity, from, to, state, .. } = self.clone();
        let [name, tag, entity, from, to, state] = [name, tag, entity, from, to, state].map(filled);
        Self { name, tag, entity, from, to, state, ..self }
    }
}

impl ListFilter for Filter {
    const ROUTE: &'static str = "/backups";
    const ITEM: &'static str = "backup";

    fn is_set(&self) -> bool {
        [&self.name, &self.tag, &self.entity, &self.from, &self.to, &self.state]
            .iter()
            .any(|field| field.is_some())
            || self.all.is_some()
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
    let catalog = shared.koan.catalog();
    let mut query = if filter.all.is_some() { catalog.query() } else { catalog.own() };
    if let Some(name) = &filter.name {
        query = query.called(name);
    }
    if let Some(tag) = &filter.tag {
        query = query.all_tags([tag]);
    }
    if let Some(entity) = &filter.entity {
        shared.entities.require(entity)?;
        query = query.containing(entity);
    }
    query = match (day(filter.from.as_deref())?, day(filter.to.as_deref())?) {
        (Some(from), Some(to)) => query.between(start(from)?..start(after(to)?)?),
        (Some(from), None) => query.between(start(from)?..),
        (None, Some(to)) => query.between(..start(after(to)?)?),
        (None, None) => query,
    };
    query = match filter.state.as_deref() {
        None => query,
        Some("complete") => query.statuses([BackupStatus::Completed, BackupStatus::CompletedWithWarnings]),
        Some("healthy") => query.healthy(),
        Some("attention") => query.requiring_attention(),
        Some("failed") => query.statuses([BackupStatus::Failed]),
        Some("cancelled") => query.statuses([BackupStatus::Cancelled]),
        Some(_) => return Err(Problem::new(ProblemKind::Invalid, "the list has no such state")),
    };
    let query = query.sort_by(SortBy::Time, Order::Descending).skip(filter.skipped()).take(PAGE_SIZE);
    let page = query.await?;
    let verifications = catalog.verifications_of(&page.entries).await?;
    let points = match &filter.name {
        Some(name) => points_of(&shared, name).await?,
        None => Vec::new(),
    };
    let was_deleted = was_deleted(&shared, &filter).await?;
    let list = ListPage::new(&view, &filter, page.total);
    let hint = html! {
        @if view.may(Role::Operator) { " Start one on the " a href=(view.link("")) { "overview" } "." }
    };
    let content = html! {
        h1 {
            (list.heading())
            @if shared.koan.capabilities().profiles.len() > 1 && page.total > 0 { ", with copies" }
        }
        @if let Some(id) = filter.deleted.filter(|_| was_deleted) {
            (list.deleted(id, filter.from_profile.as_deref().unwrap_or_default()))
        }
        (form(&view, &filter))
        @if points.len() > 1 { (chart::sizes(&points)) }
        @if page.entries.is_empty() { (list.empty(&hint)?) } @else { (table(&view, &page.entries, &verifications)) }
        (list.links()?)
        (unreadable(page.unreadable.iter().map(|(profile, backup)| html! {
            "Backup " (backup.id) " in " (profile) ": " (sentence(&backup.problem))
        })))
    };
    Ok(view.page(Screen::Backups, "Backups", Refresh::Never, &content))
}

fn form(view: &View<'_>, filter: &Filter) -> Markup {
    let value = |field: &Option<String>| field.clone().unwrap_or_default();
    html! {
        details open[filter.is_set()] {
        summary { "Filter" }
        form.filter method="get" action=(view.link("/backups")) role="search" {
            div { label for="name" { "Name" } input #name name="name" value=(value(&filter.name)); }
            div { label for="tag" { "Tag" } input #tag name="tag" value=(value(&filter.tag)); }
            div {
                label for="entity" { "Entity" }
                select #entity name="entity" {
                    option value="" { "any" }
                    @for entity in view.shared.entities.all() {
                        option value=(entity.name) selected[filter.entity.as_ref() == Some(&entity.name)] {
                            (entity.name)
                        }
                    }
                }
            }
            div { label for="from" { "From (UTC)" } input #from type="date" name="from" value=(value(&filter.from)); }
            div { label for="to" { "To (UTC)" } input #to type="date" name="to" value=(value(&filter.to)); }
            div {
                label for="state" { "State" }
                select #state name="state" {
                    @for (value, text) in STATES {
                        option value=(value) selected[filter.state.as_deref().unwrap_or_default() == value] { (text) }
                    }
                }
            }
            label.check {
                input type="checkbox" name="all" value="yes" checked[filter.all.is_some()];
                span { "Also of other applications" }
            }
            button type="submit" { "Filter" }
        }
        }
    }
}

fn table(view: &View<'_>, entries: &[CatalogEntry], verifications: &Verifications) -> Markup {
    html! {
        (card(
            &[
                Text("Backup"),
                Text("Started"),
                Text("State"),
                Text("Verified"),
                Number("Records"),
                Number("Size"),
                Text("Storage"),
            ],
            &html! {
                @for entry in entries {
                    @let manifest = entry.manifest();
                    @let (level, text) = state::of_backup(entry);
                    tr {
                        th scope="row" {
                            a href=(view.link(address::backup(entry.id(), entry.profile()))) {
                                (manifest.name) " " span.id { (address::short(entry.id())) }
                            }
                            @for tag in &manifest.tags { " " span.tag { (tag) } }
                            @if let Some(other) = other_application(view, manifest) { div.detail { "of " (other) } }
                        }
                        td data-label="Started" { (view.time(manifest.created_at)) }
                        td data-label="State" { (level.says(text)) }
                        td data-label="Verified" {
                            @match Verified::of(entry, verifications) {
                                Verified::At(at) => (view.time(at)),
                                Verified::Damaged => "found damage",
                                Verified::Never => "never",
                            }
                        }
                        td.number data-label="Records" { (wording::number(manifest.verification.total_item_count)) }
                        td.number data-label="Size" { (wording::size(entry.size_bytes())) }
                        td data-label="Storage" { (entry.profile()) }
                    }
                }
            },
        ))
    }
}

/// Returns the application and the environment of a backup, if they are not those of this application.
pub(super) fn other_application(view: &View<'_>, manifest: &Manifest) -> Option<String> {
    let own = view.shared.koan.capabilities();
    let application = manifest.producer.application.as_ref()?;
    let environment = manifest.producer.environment.as_ref()?;
    let is_own = *application == own.application && *environment == own.environment;
    (!is_own).then(|| format!("{application}, {environment}"))
}

/// Returns the sizes of the series with a name, oldest first.
async fn points_of(shared: &Shared, name: &str) -> Result<Vec<Point>, Problem> {
    let (all, _) = series::own(&shared.koan).await?;
    Ok(all.get(name).map(overview::points).unwrap_or_default())
}

/// Returns whether the backup in the address is not in its storage profile.
async fn was_deleted(shared: &Shared, filter: &Filter) -> Result<bool, Problem> {
    let (Some(id), Some(profile)) = (filter.deleted, &filter.from_profile) else { return Ok(false) };
    let entries = shared.koan.catalog().query().profiles(profile).await?.entries;
    Ok(!entries.iter().any(|entry| entry.id() == id))
}

/// Parses a day of the filter.
fn day(text: Option<&str>) -> Result<Option<Date>, Problem> {
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|_| {
        Problem::new(ProblemKind::Invalid, "a day of the filter is not a date")
            .with_help("write it as `2025-10-02`")
    })
}

fn after(day: Date) -> Result<Date, Problem> {
    day.tomorrow().map_err(|_| Problem::new(ProblemKind::Invalid, "a day of the filter is too late"))
}

/// Returns the start of a day in UTC.
fn start(day: Date) -> Result<Timestamp, Problem> {
    let start = TimeZone::UTC.to_timestamp(day.to_datetime(jiff::civil::Time::midnight()));
    start.map_err(|_| Problem::new(ProblemKind::Invalid, "a day of the filter is not a date"))
}
