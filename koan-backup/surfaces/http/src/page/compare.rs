//! The comparison of two backups.

use axum::extract::State;
use axum::response::Response;
use koan_backup_core::report::BackupDiff;
use maud::html;
use serde::Deserialize;

use super::form::filled;
use super::frame::{Refresh, Screen, View};
use super::problem::sentence;
use super::{address, wording};
use crate::access::extractor::Viewer;
use crate::comparisons::Comparison;
use crate::problem::Problem;
use crate::requests::QueryParameters;
use crate::state::AppState;

/// The two backups.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Backups {
    before: String,
    after: String,
    before_profile: Option<String>,
    after_profile: Option<String>,
}

/// Returns the comparison.
pub(super) async fn show(
    Viewer(caller): Viewer,
    State(shared): AppState,
    QueryParameters(backups): QueryParameters<Backups>,
) -> Result<Response, Problem> {
    let view = View::new(&shared, &caller);
    let (before_profile, after_profile) = (filled(backups.before_profile), filled(backups.after_profile));
    let comparison = Comparison {
        before: &backups.before,
        before_profile: before_profile.as_deref(),
        after: &backups.after,
        after_profile: after_profile.as_deref(),
        entities: &[],
    };
    let diff = comparison.run(&shared).await?;
    let content = html! {
        h1 { (first_line(&diff)) }
        p {
            "From backup " (address::short(diff.before)) " to backup " (address::short(diff.after))
            ". The page shows counts and no content of records."
        }
        div.card {
            table {
                thead {
                    tr {
                        th scope="col" { "Entity" }
                        th.number scope="col" { "Added" }
                        th.number scope="col" { "Removed" }
                        th.number scope="col" { "Changed" }
                        th.number scope="col" { "Unchanged" }
                    }
                }
                tbody {
                    @for entity in &diff.entities {
                        tr {
                            th scope="row" {
                                (entity.entity)
                                @if entity.set.as_str() != "root" { " (" (entity.set) ")" }
                                @if let Some(why) = &entity.not_compared { div.detail { "not compared: " (why) } }
                            }
                            td.number data-label="Added" { (wording::number(entity.added)) }
                            td.number data-label="Removed" { (wording::number(entity.removed)) }
                            td.number data-label="Changed" { (wording::number(entity.changed)) }
                            td.number data-label="Unchanged" { (wording::number(entity.unchanged)) }
                        }
                    }
                }
            }
        }
        @if !diff.notes.is_empty() { ul { @for note in &diff.notes { li { (sentence(note)) } } } }
    };
    Ok(view.page(Screen::Backups, "Comparison", Refresh::Never, &content))
}

fn first_line(diff: &BackupDiff) -> String {
    let not_compared = diff.entities.iter().filter(|entity| entity.not_compared.is_some()).count();
    let sum =
        |of: fn(&koan_backup_core::report::EntityDiff) -> u64| diff.entities.iter().map(of).sum::<u64>();
    let differences =
        sum(|entity| entity.added) + sum(|entity| entity.removed) + sum(|entity| entity.changed);
    match (differences, not_compared) {
        (0, 0) => "The backups contain the same records".to_owned(),
        (0, _) => "No difference was found, but not everything was compared".to_owned(),
        (count, _) => format!("{} between the backups", wording::counted(count, "difference")),
    }
}
