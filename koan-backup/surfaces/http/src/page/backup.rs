//! One backup: what it holds, what keeps it, where its copies are, and what can be done with it.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;
use koan_backup_core::archive::{EntityStatus, Manifest};
use koan_backup_core::catalog::{CatalogEntry, Order, SortBy};
use koan_backup_core::retention::{KeepReason, RemoveReason, RetentionDecision};
use maud::{Markup, html};

use super::form::{filled, visit_field};
use super::frame::{Refresh, Screen, View};
use super::state::Level;
use super::table::Column::{Number, Text};
use super::table::card;
use super::wording::sentence;
use super::{address, backups as backups_screen, operations, state, wording};
use crate::access::Role;
use crate::access::extractor::Viewer;
use crate::backups::{self, Accepted};
use crate::problem::Problem;
use crate::requests::profile::PageProfile;
use crate::requests::{BackupPath, QueryParameters};
use crate::series::Verified;
use crate::state::{AppState, Shared};

/// How many other backups of the series can be selected for a comparison.
const COMPARABLE: usize = 50;

/// Returns one backup.
pub(super) async fn show(
    Viewer(caller): Viewer,
    State(shared): AppState,
    backup: BackupPath,
    QueryParameters(parameters): QueryParameters<PageProfile>,
) -> Result<Response, Problem> {
    let view = View::new(&shared, &caller);
    let profile = filled(parameters.profile).unwrap_or_else(|| backups::default_profile(&shared.koan));
    let manifest = backups::find(&shared.koan, &backup, Some(&profile), Accepted::Any, &[]).await?;
    let catalog = shared.koan.catalog();
    let all = catalog.query().sort_by(SortBy::Time, Order::Descending).await?.entries;
    let copies_with_ids: Vec<_> = all.iter().filter(|entry| entry.id() == manifest.id).cloned().collect();
    let verifications = catalog.verifications_of(&copies_with_ids).await?;
    let copies: Vec<_> = all.iter().filter(|entry| entry.id() == manifest.id).collect();
    let entry = copies.iter().copied().find(|entry| entry.profile() == profile);
    let health = catalog.health(shared.koan.expectations()).await?;
    let losses: Vec<_> = health.size_drops.iter().filter(|drop| drop.backup == manifest.id).collect();
    let pin = shared.koan.pin_reason(manifest.id, Some(&profile)).await?;
    let kept = kept(&shared, &manifest, &profile).await;
    let mut seen = BTreeSet::new();
    let others: Vec<_> = all
        .iter()
        .filter(|other| other.id() != manifest.id && other.manifest().series_name() == manifest.series_name())
        .filter(|other| other.manifest().archive.is_some() && seen.insert(other.id()))
        .take(COMPARABLE)
        .collect();
    let content = html! {
        h1 { (manifest.name) " " span.id { (address::short(manifest.id)) } }
        @if let Some(entry) = entry { p.lead { (first_line(&view, entry, Verified::of(entry, &verifications))) } }
        @if let Some(other) = backups_screen::other_application(&view, &manifest) {
            p { (Level::Attention.says("It belongs to another application")) ": " (other) "." }
        }
        @if let Some(description) = description(&manifest) { p { (description) } }
        (main_actions(&view, &manifest, &profile))
        @if let Some(damage) = entry.and_then(CatalogEntry::damage) {
            div.notice.problem role="alert" { p { (sentence(damage)) } }
        }
        @if let Some(error) = &manifest.error { div.notice.problem { p { (sentence(error)) } } }
        (contents(&manifest))
        (warnings(entry, &manifest))
        @if !losses.is_empty() {
            section aria-labelledby="losses" {
                h2 #losses { "Lost records" }
                ul.problems {
                    @for loss in &losses { li { (Level::Problem.mark()) div {
                            (loss.entity) " had " (wording::number(loss.before)) " records in the backup before, and has "
                            (wording::number(loss.after)) " here."
                         } } }
                }
                @if view.may(Role::Admin) {
                    details {
                        summary { "Accept the loss" }
                        form.narrow method="post" action=(action(&view, &manifest, "acknowledge")) {
                            input type="hidden" name="profile" value=(profile);
                            label for="loss-reason" { "Why the records are not needed" }
                            input #loss-reason name="reason" required maxlength="1000";
                            button type="submit" { "Accept the loss" }
                        }
                    }
                }
            }
        }
        (protection(&view, &manifest, &profile, pin.as_deref(), &kept))
        section aria-labelledby="copies" {
            h2 #copies { "Where it is" }
            ul {
                @for copy in &copies {
                    li {
                        @if copy.profile() == profile { strong { (copy.profile()) } " (shown here)" }
                        @else { a href=(view.link(address::backup(copy.id(), copy.profile()))) { (copy.profile()) } }
                        @if let Some(archive) = &copy.manifest().archive {
                            ": " code { (archive.file) } ", " (wording::size(archive.size_bytes))
                        }
                    }
                }
            }
            (copy_form(&view, &manifest, &profile, &copies))
        }
        @if !others.is_empty() && manifest.archive.is_some() { (compare_form(&view, &manifest, &profile, &others)) }
        (facts(&view, &manifest, &profile))
        @if view.may(Role::Admin) { (delete_form(&view, &manifest, &profile)) }
    };
    let title = format!("{} {}", manifest.name, address::short(manifest.id));
    Ok(view.page(Screen::Backups, &title, Refresh::Never, &content))
}

/// What the retention policy does with a backup.
enum Kept {
    /// The application has no policy.
    NoPolicy,
    /// The policy keeps it, for these reasons.
    For(Vec<KeepReason>),
    /// The next run removes it.
    Removed(RemoveReason),
    /// The policy does not consider it, because another application has made it.
    NotConsidered,
    /// The policy cannot decide at present.
    Undecided(Problem),
}

async fn kept(shared: &Shared, manifest: &Manifest, profile: &str) -> Kept {
    let Some(policy) = shared.koan.retention_policy().cloned() else { return Kept::NoPolicy };
    let plan = match shared.koan.retention(policy).in_profile(profile).plan().await {
        Ok(plan) => plan,
        Err(error) => return Kept::Undecided(error.into()),
    };
    match plan.decisions.into_iter().find(|decision| decision.id == manifest.id) {
        None => Kept::NotConsidered,
        Some(RetentionDecision { removed: Some(reason), .. }) => Kept::Removed(reason),
        Some(decision) => Kept::For(decision.kept),
    }
}

fn protection(view: &View<'_>, manifest: &Manifest, profile: &str, pin: Option<&str>, kept: &Kept) -> Markup {
    html! {
        section aria-labelledby="kept" {
            h2 #kept { "What keeps it" }
            ul {
                @if let Some(reason) = pin { li { "It is pinned: " (reason) } }
                @match kept {
                    Kept::NoPolicy => li { "The application has no retention policy, so that only people delete backups." },
                    Kept::For(reasons) => {
                        @for reason in reasons.iter().filter(|reason| !matches!(reason, KeepReason::Pinned { .. })) {
                            li { "The retention policy: " (why(reason)) }
                        }
                    },
                    Kept::Removed(reason) => li { "Nothing: the next run of the retention policy removes it (" (reason) ")." },
                    Kept::NotConsidered => li { "The retention policy does not consider it." },
                    Kept::Undecided(problem) => li { "The retention policy cannot decide: " (sentence(problem.text().detail)) },
                }
                li { "A deletion is refused while it is in use, and if no other valid backup holds one of its entities." }
            }
            (pin_forms(view, manifest, profile, pin.is_some()))
        }
    }
}

/// Returns a reason as a person reads it, without calls of the library.
fn why(reason: &KeepReason) -> String {
    match reason {
        KeepReason::BeforeLoss { entity, .. } => {
            format!(
                "it is the last backup before `{entity}` lost most of its records; an admin can accept the loss there"
            )
        }
        other => other.to_string(),
    }
}

/// Returns the description that a person wrote. A composed one repeats who started the backup, which the details say.
fn description(manifest: &Manifest) -> Option<&str> {
    let is_composed = |text: &str| {
        manifest.triggered_by.as_ref().is_some_and(|by| text.starts_with("started by ") && text.contains(by))
    };
    manifest.description.as_deref().filter(|text| !is_composed(text))
}

fn action(view: &View<'_>, manifest: &Manifest, name: &str) -> String {
    view.link(format!("/backups/{}/{name}", manifest.id))
}

fn first_line(view: &View<'_>, entry: &CatalogEntry, verified: Verified) -> Markup {
    let (level, text) = state::of_backup(entry);
    html! {
        (level.says(text))
        ", started " (view.time(entry.manifest().created_at))
        @match verified {
            Verified::At(at) => { ", verified " (view.time(at)) },
            Verified::Damaged => ", damage was found",
            Verified::Never => ", never verified",
        }
        "."
    }
}

fn main_actions(view: &View<'_>, manifest: &Manifest, profile: &str) -> Markup {
    let download = view.shared.links.to(&format!("/api/backup/manifests/{}/download", manifest.id));
    let query = serde_html_form::to_string([("storageProfile", profile)]).unwrap_or_default();
    html! {
        @if manifest.archive.is_some() {
            div.actions {
                @if view.may(Role::Operator) && manifest.status.is_complete() {
                    a.button.primary href=(view.link(address::restore(manifest.id, profile))) { "Restore" }
                }
                @if view.may(Role::Operator) {
                    form method="post" action=(action(view, manifest, "verify")) {
                        (visit_field())
                        input type="hidden" name="profile" value=(profile);
                        button type="submit" { "Verify" }
                    }
                }
                @if view.may(Role::Admin) {
                    a.button href=(format!("{download}?{query}")) download { "Download" }
                }
            }
        }
    }
}

fn contents(manifest: &Manifest) -> Markup {
    html! {
        section aria-labelledby="contents" {
            h2 #contents { "What it holds" }
            @if manifest.entities.is_empty() {
                p.empty {
                    "The manifest lists no entity: the backup ended before it read one."
                }
            } @else {
                (card(
                    &[
                        Text("Entity"),
                        Text("Database"),
                        Number("Records"),
                        Number("Size"),
                        Number("In the archive"),
                    ],
                    &html! {
                        @for entity in &manifest.entities {
                            tr {
                                th scope="row" {
                                    (entity.entity)
                                    @if entity.set.as_str() != "root" { " (" (entity.set) ")" }
                                    @if entity.policy.encrypt { " " span.tag { "encrypted" } }
                                    @if entity.status == EntityStatus::Failed {
                                        div.detail {
                                            (Level::Problem.says(&sentence(entity.error.as_deref().unwrap_or("failed"))))
                                        }
                                    }
                                }
                                td data-label="Database" { (entity.provider) }
                                td.number data-label="Records" { (wording::number(entity.item_count)) }
                                td.number data-label="Size" { (wording::size(entity.size_bytes)) }
                                td.number data-label="In the archive" { (wording::size(entity.compressed_bytes)) }
                            }
                        }
                    },
                ))
            }
        }
    }
}

fn warnings(entry: Option<&CatalogEntry>, manifest: &Manifest) -> Markup {
    let is_hidden = entry.is_some_and(|entry| entry.warnings().is_none());
    html! {
        @if is_hidden {
            p {
                (Level::Attention.says("The archive is encrypted as a whole and contains warnings, which are not readable here."))
            }
        }
        @if !manifest.warnings.is_empty() {
            section aria-labelledby="warnings" {
                h2 #warnings { "Warnings about a restore" }
                ul.problems {
                    @for warning in &manifest.warnings { li { (Level::Attention.mark()) div { (sentence(warning)) } } }
                }
            }
        }
    }
}

fn pin_forms(view: &View<'_>, manifest: &Manifest, profile: &str, is_pinned: bool) -> Markup {
    html! {
        @if view.may(Role::Operator) && !is_pinned {
            details {
                summary { "Pin it, so that it cannot be deleted" }
                form.narrow method="post" action=(action(view, manifest, "pin")) {
                    input type="hidden" name="profile" value=(profile);
                    label for="pin-reason" { "Reason" }
                    input #pin-reason name="reason" required maxlength="1000";
                    button type="submit" { "Pin" }
                }
            }
        }
        @if view.may(Role::Admin) && is_pinned {
            form method="post" action=(action(view, manifest, "unpin")) {
                input type="hidden" name="profile" value=(profile);
                button type="submit" { "Remove the pin" }
            }
        }
    }
}

fn copy_form(view: &View<'_>, manifest: &Manifest, profile: &str, copies: &[&CatalogEntry]) -> Markup {
    let capabilities = view.shared.koan.capabilities();
    let has_copy = |name: &str| copies.iter().any(|copy| copy.profile() == name);
    let targets: Vec<_> = capabilities.profiles.iter().filter(|target| !has_copy(&target.name)).collect();
    html! {
        @if view.may(Role::Operator) && !targets.is_empty() && manifest.status.is_complete() {
            form.inline method="post" action=(action(view, manifest, "copy")) {
                (visit_field())
                input type="hidden" name="profile" value=(profile);
                label for="to" { "Copy to" }
                select #to name="to" { @for target in &targets { option value=(target.name) { (target.name) } } }
                button type="submit" { "Copy" }
            }
        }
    }
}

fn compare_form(view: &View<'_>, manifest: &Manifest, profile: &str, others: &[&CatalogEntry]) -> Markup {
    html! {
        section aria-labelledby="compare" {
            h2 #compare { "Compare" }
            form.inline method="get" action=(view.link("/compare")) {
                input type="hidden" name="after" value=(address::located(manifest.id, profile));
                label for="before" { "With" }
                select #before name="before" {
                    @for other in others {
                        option value=(address::located(other.id(), other.profile())) {
                            (address::short(other.id())) ", " (wording::ago(other.manifest().created_at, view.now))
                        }
                    }
                }
                button type="submit" { "Compare" }
            }
        }
    }
}

fn facts(view: &View<'_>, manifest: &Manifest, profile: &str) -> Markup {
    let query = serde_html_form::to_string([("storageProfile", profile)]).unwrap_or_default();
    html! {
        section aria-labelledby="facts" {
            h2 #facts { "Details" }
            dl.facts {
                dt { "Id" } dd { code { (manifest.id) } }
                dt { "Series" } dd { (manifest.series_name()) }
                dt { "Started" } dd { (wording::exact_time(manifest.created_at)) }
                dt { "Duration" } dd { (wording::duration(manifest.duration_ms)) }
                @if let Some(by) = &manifest.triggered_by { dt { "Started by" } dd { (operations::initiator(by)) } }
                @if let Some(reason) = &manifest.reason { dt { "Reason" } dd { (reason) } }
                dt { "Tags" } dd { @if manifest.tags.is_empty() { "none" } @else { (manifest.tags.join(", ")) } }
                dt { "Encryption" } dd {
                    @match &manifest.encryption {
                        Some(encryption) => { "for the keys " (encryption.key_ids.join(", ")) },
                        None => "none",
                    }
                }
                dt { "Written by" } dd { (manifest.producer.name) " " (manifest.producer.version) }
            }
            p {
                a href=(view.shared.links.to(&format!("/api/backup/manifests/{}?{query}", manifest.id))) { "Manifest as JSON" }
            }
        }
    }
}

fn delete_form(view: &View<'_>, manifest: &Manifest, profile: &str) -> Markup {
    html! {
        section.danger-zone aria-labelledby="delete" {
            h2 #delete { "Delete" }
            form.narrow method="post" action=(action(view, manifest, "delete")) {
                input type="hidden" name="profile" value=(profile);
                p { "The archive is removed from " strong { (profile) } ". Copies in other storage profiles stay." }
                label.check {
                    input type="checkbox" name="confirmed" value="yes" required;
                    span { "Delete backup " (address::short(manifest.id)) }
                }
                button.danger type="submit" { "Delete" }
            }
        }
    }
}
