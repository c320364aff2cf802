//! The coverage: what is backed up, what is not, and how to change that.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use koan_backup_core::Inventory;
use koan_backup_core::catalog::{Order, SortBy};
use koan_backup_core::entity::PolicySource;
use koan_backup_core::report::{IncludedEntity, UncoveredColumn, UncoveredTable};
use maud::{Markup, html};
use serde::Deserialize;

use super::form::{Form, go_to};
use super::frame::{Refresh, Screen, View};
use super::state::Level;
use super::table::Column::{Number, Text};
use super::table::card;
use super::wording;
use super::wording::sentence;
use crate::access::Role;
use crate::access::extractor::{Operator, Viewer};
use crate::problem::Problem;
use crate::state::AppState;

/// The number of records of each entity in the newest complete backup that contains it, and when that backup started.
type Records = BTreeMap<String, (u64, Timestamp)>;

/// Returns the coverage.
pub(super) async fn show(Viewer(caller): Viewer, State(shared): AppState) -> Result<Response, Problem> {
    let view = View::new(&shared, &caller);
    let koan = &shared.koan;
    let inventory = koan.inventory();
    let newest = koan.catalog().own().sort_by(SortBy::Time, Order::Descending).await?.entries;
    let mut records: Records = BTreeMap::new();
    for entry in newest.iter().filter(|entry| entry.manifest().status.is_complete()) {
        let mut of_backup: BTreeMap<String, u64> = BTreeMap::new();
        for stored in &entry.manifest().entities {
            *of_backup.entry(koan.current_entity_name(&stored.entity).to_string()).or_default() +=
                stored.item_count;
        }
        for (entity, count) in of_backup {
            records.entry(entity).or_insert((count, entry.manifest().created_at));
        }
    }
    let gaps = inventory.uncovered.len() + inventory.warnings.len();
    let content = html! {
        h1 { @if gaps == 0 { "Everything is covered" } @else { "Not everything is covered" } }
        (included(&view, &inventory, &records))
        @if gaps > 0 { (uncovered(&inventory)) }
        @if !inventory.excluded.is_empty() {
            section aria-labelledby="excluded" {
                h2 #excluded { "Excluded with a reason" }
                (card(&[Text("Name"), Text("Reason"), Text("Declared at")], &html! {
                    @for entity in &inventory.excluded {
                        tr {
                            th scope="row" { (entity.entity) }
                            td data-label="Reason" { (entity.reason) }
                            td data-label="Declared at" { code { (entity.location) } }
                        }
                    }
                }))
            }
        }
        @if !inventory.notes.is_empty() {
            section aria-labelledby="notes" {
                h2 #notes { "Remarks" }
                ul { @for note in &inventory.notes { li { (sentence(note)) } } }
            }
        }
        p.muted { "The databases were described " (view.time(inventory.discovered_at)) "." }
        @if view.may(Role::Operator) {
            form method="post" action=(view.link("/coverage/refresh")) {
                button type="submit" { "Describe them again" }
            }
        }
    };
    Ok(view.page(Screen::Coverage, "Coverage", Refresh::Never, &content))
}

/// The form of a refresh.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefreshForm {}

/// Describes the databases again.
pub(super) async fn refresh(
    _: Operator,
    State(shared): AppState,
    Form(RefreshForm {}): Form<RefreshForm>,
) -> Result<Response, Problem> {
    shared.koan.refresh_inventory().await?;
    Ok(go_to(&shared, "/coverage"))
}

fn included(view: &View<'_>, inventory: &Inventory, records: &Records) -> Markup {
    html! {
        section aria-labelledby="included" {
            h2 #included { "Backed up" }
            @if inventory.included.is_empty() {
                p.empty { "No entity is covered. Derive " code { "Entity" } " for a struct and declare a scope." }
            } @else {
                (card(
                    &[
                        Text("Name"),
                        Text("Table"),
                        Text("Policy"),
                        Text("Policy from"),
                        Text("Declared at"),
                        Number("Records, last backup"),
                    ],
                    &html! {
                        @for entity in &inventory.included {
                            tr {
                                th scope="row" {
                                    (entity.entity)
                                    @if let Some(problem) = &entity.problem {
                                        div.detail { (Level::Problem.says(&sentence(problem))) }
                                    }
                                }
                                td data-label="Table" {
                                    @match (&entity.provider, &entity.table) {
                                        (Some(provider), Some(table)) => { code { (table) } " of " (provider) },
                                        (Some(provider), None) => (provider),
                                        _ => "–",
                                    }
                                }
                                td data-label="Policy" {
                                    @if entity.policy.encrypt { "encrypted" } @else { "as text" }
                                }
                                td data-label="Policy from" { (declared_by(entity)) }
                                td data-label="Declared at" { code { (entity.location) } }
                                td.number data-label="Records, last backup" {
                                    @match records.get(&entity.entity) {
                                        Some((count, at)) => { (wording::number(*count)) div.detail { (view.time(*at)) } },
                                        None => "in no backup",
                                    }
                                }
                            }
                        }
                    },
                ))
            }
        }
    }
}

fn declared_by(entity: &IncludedEntity) -> &'static str {
    match entity.policy.source {
        _ if entity.is_raw() => "register_raw",
        PolicySource::Attribute => "its attribute",
        PolicySource::Scope => "the scope of its crate",
    }
}

fn uncovered(inventory: &Inventory) -> Markup {
    html! {
        section aria-labelledby="uncovered" {
            h2 #uncovered { "Not backed up" }
            ul.problems {
                @for entity in &inventory.uncovered {
                    li {
                        (Level::Problem.mark())
                        div {
                            strong { (entity.entity) } ": " (entity.why) ", at " code { (entity.location) }
                            (lines(&[
                                ("To cover it, above the struct", "#[entity_backup]".to_owned()),
                                ("To exclude it", "#[entity_backup(enabled = false, reason = \"…\")]".to_owned()),
                            ]))
                        }
                    }
                }
                @for table in &inventory.uncovered_tables { (table_item(table)) }
                @for column in &inventory.uncovered_columns { (column_item(column)) }
                @for warning in inventory.other_warnings() {
                    li { (Level::Problem.mark()) div { (sentence(warning)) } }
                }
            }
        }
    }
}

fn table_item(UncoveredTable { provider, table, .. }: &UncoveredTable) -> Markup {
    html! {
        li {
            (Level::Problem.mark())
            div {
                "Table " strong { (table) } " of " (provider) " belongs to no entity."
                (lines(&[
                    ("To cover it, a struct with", format!("#[derive(Serialize, Deserialize, Entity)]\n#[entity(table = {table:?})]")),
                    ("To ignore it, in the options of the provider", format!(".ignore_table({table:?}, \"…\")")),
                ]))
            }
        }
    }
}

fn column_item(UncoveredColumn { provider, table, column, entity, .. }: &UncoveredColumn) -> Markup {
    html! {
        li {
            (Level::Problem.mark())
            div {
                "Column " strong { (column) } " of " (provider) "." (table) " has no field in " (entity) "."
                (lines(&[
                    (
                        "To cover it, a field of the struct (with the type of the column)",
                        format!("#[serde(rename = {column:?})]\npub {}: …,", rust_name(column)),
                    ),
                    (
                        "To exclude the whole entity",
                        "#[entity_backup(enabled = false, reason = \"…\")]".to_owned(),
                    ),
                ]))
            }
        }
    }
}

/// Returns lines of Rust that can be copied, each with its purpose.
fn lines(lines: &[(&str, String)]) -> Markup {
    html! {
        dl.remedy { @for (purpose, line) in lines { dt { (purpose) } dd { pre tabindex="0" { code { (line) } } } } }
    }
}

/// Returns a name that a field can have.
fn rust_name(column: &str) -> String {
    let mut name = String::new();
    for character in column.chars() {
        if character.is_uppercase() && name.ends_with(|last: char| last.is_lowercase()) {
            name.push('_');
        }
        name.extend(character.to_lowercase().map(|c| if c.is_alphanumeric() { c } else { '_' }));
    }
    if !name.starts_with(|first: char| first.is_alphabetic()) || KEYWORDS.contains(&name.as_str()) {
        name.insert_str(0, "field_");
    }
    name
}

/// The words of Rust that are no names of fields.
const KEYWORDS: [&str; 52] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual",
    "where", "while", "yield", "union",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_of_any_name_has_a_field_that_compiles() {
        for (column, field) in [
            ("unitPrice", "unit_price"),
            ("type", "field_type"),
            ("1st", "field_1st"),
            ("", "field_"),
            ("a b-c", "a_b_c"),
            ("Größe", "größe"),
        ] {
            assert_eq!(rust_name(column), field);
        }
    }
}
