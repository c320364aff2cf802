//! The four steps of the restore on one screen.

use axum::response::Response;
use koan_backup_core::catalog::CatalogEntry;
use maud::{Markup, html};

use super::address::ROOT;
use super::choices::{Choices, Mode, Selected, Shown};
use super::form::visit_field;
use super::frame::{Refresh, Screen, View};
use super::state::Level;
use super::{address, operation, report, wording};
use crate::access::Role;
use crate::operations::{Operation, OperationStatus};
use crate::problem::Problem;

/// What happens to the records in the database: the value, its name in forms, and what the option says.
const MODES: [(Mode, &str, &str); 4] = [
    (
        Mode::Overwrite,
        "overwrite",
        "Overwrite existing records with those of the backup, and leave other records",
    ),
    (Mode::Keep, "keep", "Keep existing records, and add the missing ones"),
    (Mode::Fail, "fail", "Refuse the restore if a record exists"),
    (
        Mode::Replace,
        "replace",
        "Replace: overwrite existing records, and delete those that are not in the backup",
    ),
];

fn mode_text(choices: &Choices) -> &'static str {
    let mode = choices.mode.unwrap_or(Mode::Overwrite);
    MODES.into_iter().find(|(value, ..)| *value == mode).map_or("", |(_, _, text)| text)
}

/// Returns the screen.
pub(super) fn page(view: &View<'_>, shown: &Shown) -> Result<Response, Problem> {
    let runs = |operation: &Option<Operation>| {
        operation.as_ref().is_some_and(|operation| !operation.status.is_final())
    };
    let is_running = runs(&shown.check) || runs(&shown.preview);
    let address = shown.choices.address()?;
    let (own, route) = (view.link(&address), format!("{ROOT}{address}"));
    let content = html! {
        h1 {
            @match &shown.selected {
                Some(selected) => { "Restore " (selected.manifest.name) " of " (view.time(selected.manifest.created_at)) },
                None => "Restore a backup",
            }
        }
        p.lead { "Nothing is written before the last step." }
        @match (&shown.selected, &shown.check) {
            (Some(selected), Some(_)) => (chosen(view, &shown.choices, selected)?),
            _ => (what(view, shown)),
        }
        @if let Some(selected) = &shown.selected {
            div #steps hx-get=[is_running.then_some(&own)] hx-trigger="every 1s" hx-select="#steps" hx-swap="outerHTML" {
                (refusals(view, shown, &route))
                (changes(view, shown, &route))
                (confirmation(view, shown, selected))
            }
        }
    };
    let refresh = if is_running { Refresh::WhileRunning(&own) } else { Refresh::Never };
    Ok(view.page(Screen::Restore, "Restore", refresh, &content))
}

/// Returns the choices that were checked. They are not editable, so that the steps below always belong to them.
fn chosen(view: &View<'_>, choices: &Choices, selected: &Selected) -> Result<Markup, Problem> {
    let change = Choices { check: None, preview: None, ..choices.clone() }.address()?;
    Ok(html! {
        section.step aria-labelledby="what" {
            h2 #what { "1. What" }
            (summary(choices, selected))
            p { a.button href=(view.link(change)) { "Change" } }
        }
    })
}

fn summary(choices: &Choices, selected: &Selected) -> Markup {
    let is_all = choices.entity.is_empty();
    let entities = if is_all { &selected.entities } else { &choices.entity };
    html! {
        dl.facts {
            dt { "Backup" }
            dd { (selected.manifest.name) " " span.id { (address::short(selected.manifest.id)) } }
            dt { "Entities" }
            dd { @if is_all { "all: " } (listed(entities.iter())) }
            dt { "Into" }
            dd { (listed(selected.targets.iter())) }
            dt { "Records" }
            dd { (mode_text(choices)) }
            @if let Some(set) = &choices.set {
                dt { "Set" }
                dd { (set) }
            }
        }
    }
}

/// Returns names, of which a long list shows the first ones.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    const SHOWN: usize = 20;
    let others = names.len().saturating_sub(SHOWN);
    let mut text = names.take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if others > 0 {
        text = format!("{text} and {}", wording::counted(u64::try_from(others).unwrap_or(u64::MAX), "other"));
    }
    text
}

fn what(view: &View<'_>, shown: &Shown) -> Markup {
    let choices = &shown.choices;
    html! {
        section.step aria-labelledby="what" {
            h2 #what { "1. What" }
            @if shown.selectable.is_empty() && shown.selected.is_none() {
                p.empty {
                    "There is no complete backup."
                    @if view.may(Role::Operator) { " Start one on the " a href=(view.link("")) { "overview" } "." }
                }
            } @else {
                form.inline method="get" action=(view.link("/restore")) {
                    label for="backup" { "Backup" }
                    select #backup name="backup" {
                        @if let Some(selected) = shown.selected.as_ref().filter(|selected| !is_listed(shown, selected)) {
                            option value=(chosen_value(choices)) selected {
                                (selected.manifest.name) " " (address::short(selected.manifest.id))
                            }
                        }
                        @for entry in first_copies(&shown.selectable) {
                            option value=(address::located(entry.id(), entry.profile())) selected[is_selected(shown, entry)] {
                                (entry.manifest().name) ", " (wording::ago(entry.manifest().created_at, view.now))
                                " (" (address::short(entry.id())) ", " (entry.profile()) ")"
                            }
                        }
                    }
                    button type="submit" { @if shown.selected.is_some() { "Choose another" } @else { "Choose" } }
                }
            }
            @if let Some(selected) = &shown.selected { (options(view, choices, selected)) }
        }
    }
}

fn chosen_value(choices: &Choices) -> String {
    let backup = choices.backup.as_deref().unwrap_or_default();
    choices.profile.as_ref().map_or(backup.to_owned(), |profile| format!("{backup}@{profile}"))
}

fn is_selected(shown: &Shown, entry: &CatalogEntry) -> bool {
    shown.selected.as_ref().is_some_and(|selected| selected.manifest.id == entry.id())
}

fn is_listed(shown: &Shown, selected: &Selected) -> bool {
    shown.selectable.iter().any(|entry| entry.id() == selected.manifest.id)
}

/// Returns one entry of each backup, which may have copies.
fn first_copies(entries: &[CatalogEntry]) -> Vec<&CatalogEntry> {
    let mut seen = std::collections::BTreeSet::new();
    entries.iter().filter(|entry| seen.insert(entry.id())).collect()
}

fn options(view: &View<'_>, choices: &Choices, selected: &Selected) -> Markup {
    let mode = choices.mode.unwrap_or(Mode::Overwrite);
    html! {
        form.options method="post" action=(view.link("/restore/check")) {
            (visit_field())
            input type="hidden" name="backup" value=(choices.backup.as_deref().unwrap_or_default());
            @if let Some(profile) = &choices.profile { input type="hidden" name="profile" value=(profile); }
            p {
                "It would be written into "
                @for (index, target) in selected.targets.iter().enumerate() {
                    @if index > 0 { ", " }
                    strong { (target) }
                }
                "."
            }
            @if !selected.entities.is_empty() {
                fieldset {
                    legend { "Entities" }
                    @for entity in &selected.entities {
                        label.check {
                            input type="checkbox" name="entity" value=(entity) autocomplete="off"
                                checked[choices.entity.is_empty() || choices.entity.contains(entity)];
                            span { (entity) }
                        }
                    }
                }
            }
            fieldset {
                legend { "Records in the database" }
                @for (value, name, text) in MODES {
                    label.check {
                        input type="radio" name="mode" value=(name) checked[mode == value] autocomplete="off";
                        span { (text) }
                    }
                }
            }
            details open[choices.set.is_some()] {
                summary { "Another set" }
                label for="set" { "Set into which the records are written" }
                input #set name="set" value=(choices.set.as_deref().unwrap_or_default()) placeholder="the set of the backup";
            }
            @if view.may(Role::Operator) {
                button.primary type="submit" { "Check" }
            } @else {
                p.muted { "An operator or an admin checks and restores. Send them the address of this screen." }
            }
        }
    }
}

/// Returns the choices as hidden fields.
fn hidden(choices: &Choices) -> Markup {
    let mode = choices.mode.and_then(|chosen| MODES.into_iter().find(|(value, ..)| *value == chosen));
    html! {
        @for (name, value) in [
            ("backup", &choices.backup), ("profile", &choices.profile), ("set", &choices.set), ("check", &choices.check),
        ] {
            @if let Some(value) = value { input type="hidden" name=(name) value=(value); }
        }
        @for entity in &choices.entity { input type="hidden" name="entity" value=(entity); }
        @if choices.all.is_some() { input type="hidden" name="all" value="yes"; }
        @if let Some((_, name, _)) = mode { input type="hidden" name="mode" value=(name); }
    }
}

fn refusals(view: &View<'_>, shown: &Shown, own: &str) -> Markup {
    html! {
        section.step aria-labelledby="check" {
            h2 #check { "2. What it would be refused for" }
            @match &shown.check {
                None => p.muted { "The check reads the backup and the database, and writes nothing." },
                Some(check) => (result(view, check, own, report::viability)),
            }
        }
    }
}

fn changes(view: &View<'_>, shown: &Shown, own: &str) -> Markup {
    html! {
        section.step aria-labelledby="change" {
            h2 #change { "3. What would change" }
            @match (&shown.preview, is_viable(shown)) {
                (Some(preview), _) => (result(view, preview, own, report::restore)),
                (None, false) => p.muted { "The comparison with the database follows the check." },
                (None, true) => {
                    p { "The comparison reads the backup and the database, and writes nothing." }
                    form method="post" action=(view.link("/restore/preview")) {
                        (visit_field())
                        (hidden(&shown.choices))
                        button.primary type="submit" { "Compare with the database" }
                    }
                }
            }
        }
    }
}

fn confirmation(view: &View<'_>, shown: &Shown, selected: &Selected) -> Markup {
    let names = selected.targets.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let is_previewed = shown.preview.as_ref().is_some_and(|preview| preview.status.has_succeeded());
    html! {
        section.step aria-labelledby="confirm" {
            h2 #confirm { "4. Confirm" }
            @if !view.may(Role::Admin) {
                p.muted { "An admin restores. Send an admin the address of this screen, which contains your choices." }
            } @else if !is_viable(shown) || !is_previewed {
                p.muted { "The restore can start after the comparison. In each database, it is complete or has no effect." }
            } @else {
                (summary(&shown.choices, selected))
                form.narrow method="post" action=(view.link("/restore/start")) {
                    (visit_field())
                    (hidden(&shown.choices))
                    label for="confirm-name" { "Type " strong { (names) } " to confirm the restore into this database" }
                    input #confirm-name name="confirm" required autocomplete="off" autocapitalize="none" spellcheck="false";
                    button.danger type="submit" { "Restore" }
                }
            }
        }
    }
}

fn is_viable(shown: &Shown) -> bool {
    let result = shown
        .check
        .as_ref()
        .filter(|check| check.status.has_succeeded())
        .and_then(|check| check.result.as_ref());
    result.is_some_and(report::is_viable)
}

/// Returns the progress of a step, or its result.
fn result(view: &View<'_>, step: &Operation, own: &str, success: fn(&serde_json::Value) -> Markup) -> Markup {
    html! {
        @if !step.status.is_final() {
            div.running { (operation::figures(step)) }
            @if view.caller.require_cancellation_right(&step.started_by.name).is_ok() {
                form.actions method="post" action=(view.link(format!("{}/cancel", address::operation(step.id)))) {
                    input type="hidden" name="to" value=(own);
                    button type="submit" { "Cancel" }
                }
            }
        } @else if step.status.has_succeeded() {
            @if let Some(value) = &step.result { (success(value)) }
            p.muted { "Determined " (view.time(step.completed_at.unwrap_or(step.created_at))) "." }
        } @else {
            @if step.status == OperationStatus::Cancelled { p { (Level::Attention.says("The step was cancelled.")) } }
            (report::of(view, step))
        }
    }
}
