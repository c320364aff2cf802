//! The comparison of two backups.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use koan_backup_core::report::BackupDiff;
use maud::html;
use serde::Deserialize;

use super::frame::{Refresh, Screen, View};
use super::table::Column::{Number, Text};
use super::table::card;
use super::wording::sentence;
use super::{address, wording};
use crate::access::cross_site::same_site_get;
use crate::access::extractor::Viewer;
use crate::backups::{self, Accepted};
use crate::comparisons::Comparison;
use crate::problem::Problem;
use crate::requests::{BackupPath, QueryParameters};
use crate::state::AppState;

/// The two backups, each with its storage profile.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Backups {
    before: String,
    after: String,
}

/// Returns the comparison. It reads two archives, so that a page of another site cannot ask for it.
pub(super) async fn show(
    Viewer(caller): Viewer,
    State(shared): AppState,
    headers: HeaderMap,
    QueryParameters(backups): QueryParameters<Backups>,
) -> Result<Response, Problem> {
    same_site_get(&headers)?;
    let view = View::new(&shared, &caller);
    let mut located = [address::locate(&backups.before), address::locate(&backups.after)];
    let started = async |(id, profile): (&str, Option<&str>)| {
        let backup = BackupPath(id.to_owned());
        backups::find(&shared.koan, &backup, profile, Accepted::WithArchive, &[])
            .await
            .map(|found| found.created_at)
    };
    // What was added since is counted from the older backup.
    if started(located[0]).await? > started(located[1]).await? {
        located.reverse();
    }
    let [(before, before_profile), (after, after_profile)] = located;
    let comparison = Comparison { before, before_profile, after, after_profile, entities: &[] };
    let diff = comparison.run(&shared).await?;
    let content = html! {
        h1 { (first_line(&diff)) }
        p {
            "From backup " (address::short(diff.before)) " to backup " (address::short(diff.after))
            ". The page shows counts and no content of records."
        }
        (card(&[Text("Entity"), Number("Added"), Number("Removed"), Number("Changed"), Number("Unchanged")], &html! {
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
        }))
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
        (count, 0) => format!("{} between the backups", wording::counted(count, "difference")),
        (count, _) => format!("{}, and not everything was compared", wording::counted(count, "difference")),
    }
}
