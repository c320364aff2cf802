//! The overview: whether everything is covered, backed up and restorable.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::extract::State;
use axum::response::{Redirect, Response};
use jiff::Timestamp;
use koan_backup_core::catalog::{CatalogEntry, CatalogHealth};
use maud::{Markup, html};

use super::chart::{self, Point};
use super::form::visit_field;
use super::frame::{Refresh, Screen, View, link};
use super::state::Level;
use super::table::Column::Text;
use super::table::card;
use super::wording::sentence;
use super::{address, operations, wording};
use crate::access::Role;
use crate::access::extractor::Viewer;
use crate::operations::{OperationKind, OperationQuery, OperationStatus};
use crate::problem::Problem;
use crate::series::{self, Series, Verifications, Verified};
use crate::state::{AppState, Shared};

/// After how long without a restore the page asks for one.
const RESTORE_INTERVAL: Duration = Duration::from_secs(90 * 24 * 3600);

/// How many problems are shown.
const MAX_PROBLEMS: usize = 50;

/// One of the three sentences.
struct Sentence {
    level: Level,
    text: Markup,
    detail: Markup,
    action: Markup,
}

/// Leads from the path of the router to the overview.
pub(super) async fn lead(State(shared): AppState) -> Redirect {
    Redirect::to(&link(&shared, ""))
}

/// Returns the overview.
pub(super) async fn show(Viewer(caller): Viewer, State(shared): AppState) -> Result<Response, Problem> {
    let view = View::new(&shared, &caller);
    let (all, verifications) = series::own(&shared.koan).await?;
    let health = shared.koan.catalog().health(shared.koan.expectations()).await?;
    let running = shared.operations.unfinished().await?;
    let newest = all.values().filter_map(|series| series.last_good.as_ref());
    let newest = newest.max_by_key(|entry| entry.manifest().created_at);
    let sentences = [
        coverage(&view),
        last_backup(&view, newest, &health, &verifications),
        restore(&view, newest, last_restore(&shared).await?),
    ];
    let server_problems = shared.access.problems();
    let unverified: Vec<_> = all
        .values()
        .filter_map(|series| series.last_good.as_ref().filter(|_| series.last_verified_at.is_none()))
        .collect();
    let own = view.link("");
    let refresh = if running.is_empty() { Refresh::Never } else { Refresh::WhileRunning(&own) };
    let is_well = sentences.iter().all(|sentence| sentence.level == Level::Ok)
        && health.problems.is_empty()
        && server_problems.is_empty()
        && unverified.is_empty();
    let content = html! {
        h1.visually-hidden { "Overview" }
        ul.sentences {
            @for sentence in &sentences {
                li {
                    (sentence.level.mark())
                    div { strong { (sentence.text) } " " span.muted { (sentence.detail) } }
                    (sentence.action)
                }
            }
        }
        (back_up_form(&view))
        section #running aria-labelledby="running-title" hidden[running.is_empty()]
            hx-get=[(!running.is_empty()).then_some(&own)] hx-trigger="every 2s" hx-select="#running" hx-swap="outerHTML" {
            h2 #running-title { "Running now" }
            (operations::table(&view, &running))
        }
        (names(&view, &all))
        section aria-labelledby="attention" {
            h2 #attention { "Needs attention" }
            @if is_well {
                p.empty { "Nothing. Everything is as expected." }
            } @else if health.problems.is_empty() && server_problems.is_empty() && unverified.is_empty() {
                p.empty { "Nothing beside the sentences above." }
            } @else {
                ul.problems {
                    @for problem in server_problems.iter().chain(&health.problems).take(MAX_PROBLEMS) {
                        li { (Level::Problem.mark()) div { (sentence(problem)) } }
                    }
                    @if health.problems.len() > MAX_PROBLEMS {
                        li { (Level::Problem.mark()) div { "There are more problems; the health of the API lists all." } }
                    }
                    @for entry in &unverified { (unverified_item(&view, entry)) }
                }
            }
        }
    };
    Ok(view.page(Screen::Overview, "Overview", refresh, &content))
}

fn coverage(view: &View<'_>) -> Sentence {
    let inventory = view.shared.koan.inventory();
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    let gaps = count(inventory.uncovered.len() + inventory.warnings.len());
    let entities = wording::counted(count(inventory.included.len()), "entity");
    let detail = match inventory.excluded.len() {
        0 => entities,
        excluded => format!("{entities}, {} excluded with a reason", wording::number(count(excluded))),
    };
    let link = html! { a.button href=(view.link("/coverage")) { "See the coverage" } };
    if gaps == 0 {
        let text = "Everything is covered".to_owned();
        return Sentence {
            level: Level::Ok,
            text: html! { (text) },
            detail: html! { (detail) },
            action: html! {},
        };
    }
    let text = format!("{} in the coverage", wording::counted(gaps, "gap"));
    Sentence { level: Level::Problem, text: html! { (text) }, detail: html! { (detail) }, action: link }
}

fn last_backup(
    view: &View<'_>,
    newest: Option<&CatalogEntry>,
    health: &CatalogHealth,
    verifications: &Verifications,
) -> Sentence {
    let Some(entry) = newest else {
        let text = html! { "There is no good backup" };
        return Sentence { level: Level::Problem, text, detail: html! {}, action: html! {} };
    };
    let manifest = entry.manifest();
    let has_failed_since = health.failed.iter().any(|failed| *failed > entry.id());
    let level = match health.is_overdue {
        true => Level::Problem,
        false if has_failed_since || !entry.is_healthy() => Level::Attention,
        false => Level::Ok,
    };
    let verified = match Verified::of(entry, verifications) {
        Verified::At(_) => "verified",
        Verified::Damaged => "damaged",
        Verified::Never => "not verified",
    };
    let text = html! { "Last good backup " (view.time(manifest.created_at)) };
    let detail = html! {
        a href=(view.link(address::backup(entry.id(), entry.profile()))) { (manifest.name) }
        ", " (verified) ", " (wording::size(entry.size_bytes()))
        @if health.is_overdue { "; a backup is overdue" }
        @if has_failed_since { "; a later backup failed" }
    };
    Sentence { level, text, detail, action: html! {} }
}

/// Returns when the newest restore succeeded. A dry run is an operation of another kind.
async fn last_restore(shared: &Shared) -> Result<Option<Timestamp>, Problem> {
    let succeeded = [OperationStatus::Completed, OperationStatus::CompletedWithWarnings];
    let query = OperationQuery::default().kind(OperationKind::Restore).statuses(succeeded).limit(1);
    let page = shared.operations.list(&query).await?;
    Ok(page.operations.first().and_then(|operation| operation.completed_at))
}

fn restore(view: &View<'_>, newest: Option<&CatalogEntry>, last: Option<Timestamp>) -> Sentence {
    let age = last.map(|last| Duration::try_from(view.now.duration_since(last)).unwrap_or_default());
    let (mut level, text) = match (last, age) {
        (Some(last), Some(age)) => {
            let level = if age > RESTORE_INTERVAL { Level::Attention } else { Level::Ok };
            (level, html! { "Last restore " (view.time(last)) })
        }
        _ => (Level::Attention, html! { "No restore is recorded" }),
    };
    let detail = match newest.map(CatalogEntry::warnings) {
        None => "nothing can be restored yet".to_owned(),
        Some(None) => "the last backup does not say what a restore would be refused for".to_owned(),
        Some(Some([])) => "the last backup has no warning about a restore".to_owned(),
        Some(Some(warnings)) => {
            level = level.max(Level::Attention);
            let count = wording::counted(u64::try_from(warnings.len()).unwrap_or(u64::MAX), "warning");
            format!("the last backup has {count} about a restore")
        }
    };
    let action = match newest {
        Some(entry) if view.may(Role::Operator) => {
            let link = view.link(address::restore(entry.id(), entry.profile()));
            html! { a.button href=(link) { "Check a restore" } }
        }
        _ => html! {},
    };
    Sentence { level, text, detail: html! { (detail) }, action }
}

fn back_up_form(view: &View<'_>) -> Markup {
    if !view.may(Role::Operator) {
        return html! {};
    }
    let koan = &view.shared.koan;
    let profiles = koan.capabilities().profiles;
    html! {
        form.start method="post" action=(view.link("/backup")) {
            (visit_field())
            button.primary type="submit" { "Back up now" }
            details {
                summary { "Options" }
                div.fields {
                    label for="name" { "Name" }
                    input #name name="name" maxlength="128" placeholder=(koan.default_backup_name());
                    label for="description" { "Description" }
                    input #description name="description" maxlength="1000";
                    label for="reason" { "Reason" }
                    input #reason name="reason" maxlength="1000";
                    @if profiles.len() > 1 {
                        label for="profile" { "Storage profile" }
                        select #profile name="profile" {
                            @for profile in &profiles { option value=(profile.name) { (profile.name) } }
                        }
                    }
                }
            }
        }
    }
}

fn names(view: &View<'_>, all: &BTreeMap<String, Series>) -> Markup {
    let expectations = view.shared.koan.expectations();
    let mut names: BTreeSet<&str> = expectations.names().collect();
    names.extend(all.keys().map(String::as_str));
    if names.is_empty() {
        return html! {
            section aria-labelledby="names" {
                h2 #names { "Backups by name" }
                p.empty {
                    "No backups yet. "
                    @if view.may(Role::Operator) { "Start one above, or " } @else { "An operator starts one here, or " }
                    "a program of the application makes one."
                }
            }
        };
    }
    html! {
        section aria-labelledby="names" {
            h2 #names { "Backups by name" }
            (card(
                &[
                    Text("Name"),
                    Text("Last backup"),
                    Text("Verified"),
                    Text("Expected"),
                    Text(&format!("Size, last {}", series::MAX_SIZES)),
                ],
                &html! {
                    @for name in names { (name_row(view, name, all.get(name))) }
                },
            ))
        }
    }
}

fn name_row(view: &View<'_>, name: &str, series: Option<&Series>) -> Markup {
    let expected = view.shared.koan.expectations().interval(name);
    let last = series.and_then(|series| series.last_good.as_ref());
    let points = series.map(points).unwrap_or_default();
    html! {
        tr {
            th scope="row" { a href=(view.link(address::backups_named(name))) { (name) } }
            td data-label="Last backup" {
                @match last {
                    Some(entry) => (view.time(entry.manifest().created_at)),
                    None => (Level::Problem.says("never")),
                }
            }
            td data-label="Verified" {
                @match series.and_then(|series| series.last_verified_at) {
                    Some(at) => (view.time(at)),
                    None => "never",
                }
            }
            td data-label="Expected" { @match expected { Some(every) => (wording::interval(every)), None => "–" } }
            td.size data-label="Size" {
                @if !points.is_empty() { (chart::sparkline(&points)) " " }
                @if let Some(entry) = last { (wording::size(entry.size_bytes())) }
            }
        }
    }
}

/// Returns the points of the charts of a series, oldest first.
pub(super) fn points(series: &Series) -> Vec<Point> {
    series.sizes.iter().rev().map(|&(at, bytes)| Point { at, bytes }).collect()
}

fn unverified_item(view: &View<'_>, entry: &CatalogEntry) -> Markup {
    let title = format!("{} {}", entry.manifest().name, address::short(entry.id()));
    html! {
        li {
            (Level::Attention.mark())
            div {
                a href=(view.link(address::backup(entry.id(), entry.profile()))) { (title) }
                " was never verified."
            }
            @if view.may(Role::Operator) {
                form method="post" action=(view.link(format!("/backups/{}/verify", entry.id()))) {
                    (visit_field())
                    input type="hidden" name="profile" value=(entry.profile());
                    button type="submit" aria-label=(format!("Verify {title}")) { "Verify" }
                }
            }
        }
    }
}
