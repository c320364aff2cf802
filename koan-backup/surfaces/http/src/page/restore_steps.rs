//! The four steps of the restore on one screen.

use axum::response::Response;
use koan_backup_core::catalog::CatalogEntry;
use maud::{Markup, html};

use super::form::visit_field;
use super::frame::{Refresh, Screen, View};
use super::restore::{Choices, Selected, Shown};
use super::state::Level;
use super::{address, operation, report, wording};
use crate::access::Role;
use crate::operations::{Operation, OperationStatus};
use crate::requests::restore::Conflict;

/// What happens to existing records: the value, what the option says, and what it means.
const CONFLICTS: [(Conflict, &str, &str); 3] = [
    (Conflict::Overwrite, "overwrite", "Overwrite it with the record of the backup"),
    (Conflict::Keep, "keep", "Keep the existing record"),
    (Conflict::Fail, "fail", "Refuse the restore"),
];

/// Returns the screen.
pub(super) fn page(view: &View<'_>, shown: &Shown) -> Response {
    let runs = |operation: &Option<Operation>| {
        operation.as_ref().is_some_and(|operation| !operation.status.is_final())
    };
    let is_running = runs(&shown.check) || runs(&shown.preview);
    let own = view.link(restore_address(&shown.choices));
    let content = html! {
        h1 {
            @match &shown.selected {
                Some(selected) => { "Restore " (selected.manifest.name) " of " (view.time(selected.manifest.created_at)) },
                None => "Restore a backup",
            }
        }
        p.lead { "Nothing is written before the last step." }
        (what(view, shown))
        @if let Some(selected) = &shown.selected {
            div #steps hx-get=[is_running.then_some(&own)] hx-trigger="every 1s" hx-select="#steps" hx-swap="outerHTML" {
                (refusals(view, shown))
                (changes(view, shown))
                (confirmation(view, shown, selected))
            }
        }
    };
    let refresh = if is_running { Refresh::WhileRunning(&own) } else { Refresh::Never };
    view.page(Screen::Restore, "Restore", refresh, &content)
}

fn restore_address(choices: &Choices) -> String {
    format!("/restore?{}", serde_html_form::to_string(choices).unwrap_or_default())
}

fn what(view: &View<'_>, shown: &Shown) -> Markup {
    let choices = &shown.choices;
    html! {
        section.step aria-labelledby="what" {
            h2 #what { "1. What" }
            @if shown.selectable.is_empty() && shown.selected.is_none() {
                p.empty { "There is no complete backup. Start one on the " a href=(view.link("")) { "overview" } "." }
            } @else {
                form.inline method="get" action=(view.link("/restore")) {
                    label for="backup" { "Backup" }
                    select #backup name="backup" {
                        @if let Some(selected) = shown.selected.as_ref().filter(|selected| !is_listed(shown, selected)) {
                            option value=(selected.manifest.id) selected {
                                (selected.manifest.name) " " (address::short(selected.manifest.id))
                            }
                        }
                        @for entry in first_copies(&shown.selectable) {
                            option value=(entry.id()) selected[is_selected(shown, entry)] {
                                (entry.manifest().name) ", " (wording::ago(entry.manifest().created_at, view.now))
                                " (" (address::short(entry.id())) ", " (entry.profile()) ")"
                            }
                        }
                    }
                    @if let Some(profile) = &choices.profile { input type="hidden" name="profile" value=(profile); }
                    button type="submit" { @if shown.selected.is_some() { "Choose another" } @else { "Choose" } }
                }
            }
            @if let Some(selected) = &shown.selected { (options(view, choices, selected)) }
        }
    }
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
    let conflict = choices.conflict.unwrap_or(Conflict::Overwrite);
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
                            input type="checkbox" name="entity" value=(entity)
                                checked[choices.entity.is_empty() || choices.entity.contains(entity)];
                            span { (entity) }
                        }
                    }
                }
            }
            fieldset {
                legend { "A record that exists in the database" }
                @for (value, name, text) in CONFLICTS {
                    label.check {
                        input type="radio" name="conflict" value=(name) checked[conflict == value];
                        span { (text) }
                    }
                }
            }
            fieldset {
                legend { "A record that is not in the backup" }
                label.check {
                    input type="checkbox" name="replace" value="yes" checked[choices.replace.is_some()];
                    span { "Delete it, so that the database has exactly the records of the backup" }
                }
            }
            details open[choices.set.is_some()] {
                summary { "Another set" }
                label for="set" { "Set into which the records are written" }
                input #set name="set" value=(choices.set.as_deref().unwrap_or_default()) placeholder="the set of the backup";
            }
            @if view.may(Role::Operator) {
                button type="submit" class=[choices.check.is_none().then_some("primary")] {
                    @if choices.check.is_some() { "Check again" } @else { "Check" }
                }
            } @else {
                p.muted { "An operator or an admin checks and restores. Send them the address of this screen." }
            }
        }
    }
}

/// Returns the choices as hidden fields.
fn hidden(choices: &Choices) -> Markup {
    let conflict =
        choices.conflict.and_then(|chosen| CONFLICTS.into_iter().find(|(value, ..)| *value == chosen));
    html! {
        @for (name, value) in [
            ("backup", &choices.backup), ("profile", &choices.profile), ("set", &choices.set), ("check", &choices.check),
        ] {
            @if let Some(value) = value { input type="hidden" name=(name) value=(value); }
        }
        @for entity in &choices.entity { input type="hidden" name="entity" value=(entity); }
        @if let Some((_, name, _)) = conflict { input type="hidden" name="conflict" value=(name); }
        @if choices.replace.is_some() { input type="hidden" name="replace" value="yes"; }
    }
}

fn refusals(view: &View<'_>, shown: &Shown) -> Markup {
    html! {
        section.step aria-labelledby="check" {
            h2 #check { "2. What it would be refused for" }
            @match &shown.check {
                None => p.muted { "The check reads the backup and the database, and writes nothing." },
                Some(check) => (result(view, check, report::viability)),
            }
        }
    }
}

fn changes(view: &View<'_>, shown: &Shown) -> Markup {
    html! {
        section.step aria-labelledby="change" {
            h2 #change { "3. What would change" }
            @match (&shown.preview, is_viable(shown)) {
                (Some(preview), _) => (result(view, preview, report::restore)),
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
                p.muted { "The restore can start after the comparison. It is complete or has no effect." }
            } @else {
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
fn result(view: &View<'_>, step: &Operation, success: fn(&serde_json::Value) -> Markup) -> Markup {
    html! {
        @if !step.status.is_final() {
            div.running { (operation::figures(step)) }
        } @else if step.status.has_succeeded() {
            @if let Some(value) = &step.result { (success(value)) }
            p.muted { "Determined " (view.time(step.completed_at.unwrap_or(step.created_at))) "." }
        } @else {
            @if step.status == OperationStatus::Cancelled { p { (Level::Attention.says("The step was cancelled.")) } }
            (report::of(view, step))
        }
    }
}
