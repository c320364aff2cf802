//! The list of operations: those that run, and those that have ended.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::frame::{Refresh, Screen, View};
use super::table::Column::Text;
use super::table::card;
use super::{address, state, wording};
use crate::access::extractor::Viewer;
use crate::operations::{Operation, OperationId, OperationQuery, OperationStatus};
use crate::problem::Problem;
use crate::requests::QueryParameters;
use crate::state::AppState;

/// The number of finished operations on a page of the list.
const PAGE_SIZE: u32 = 50;

/// Which page of the list is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Position {
    /// Operations that were created before this one.
    before: Option<String>,
}

/// Returns the list.
pub(super) async fn show(
    Viewer(caller): Viewer,
    State(shared): AppState,
    QueryParameters(position): QueryParameters<Position>,
) -> Result<Response, Problem> {
    let view = View::new(&shared, &caller);
    let running = shared.operations.unfinished().await?;
    let mut query = OperationQuery::default().statuses(OperationStatus::FINISHED).limit(PAGE_SIZE);
    if let Some(before) = &position.before {
        query = query.before(OperationId::of_text(before)?);
    }
    let page = shared.operations.list(&query).await?;
    let own = view.link(match &position.before {
        Some(before) => format!("/operations?before={}", OperationId::of_text(before)?),
        None => "/operations".to_owned(),
    });
    let refresh = if running.is_empty() { Refresh::Never } else { Refresh::WhileRunning(&own) };
    let count = u64::try_from(running.len()).unwrap_or(u64::MAX);
    let content = html! {
        div #operations hx-get=[(!running.is_empty()).then_some(&own)]
            hx-trigger="every 2s" hx-select="#operations" hx-swap="outerHTML" {
            h1 {
                @if running.is_empty() { "Nothing runs" } @else { (wording::counted(count, "operation")) " not finished" }
            }
            @if !running.is_empty() { (table(&view, &running)) }
            section aria-labelledby="finished" {
                h2 #finished { "Finished" }
                @if page.operations.is_empty() {
                    p.empty {
                        "Backups, restores and other work appear here once they have ended, each with its report."
                    }
                } @else {
                    (table(&view, &page.operations))
                }
                @if let Some(next) = page.next {
                    nav.pages aria-label="Pages" {
                        a href=(view.link(format!("/operations?before={next}"))) { "Older" }
                    }
                }
            }
        }
    };
    Ok(view.page(Screen::Operations, "Operations", refresh, &content))
}

/// Returns a table of operations.
pub(super) fn table(view: &View<'_>, operations: &[Operation]) -> Markup {
    html! {
        (card(&[Text("Operation"), Text("State"), Text("Started"), Text("Started by"), Text("Reason")], &html! {
            @for operation in operations {
                @let (level, text) = state::of_operation(operation.status);
                tr {
                    th scope="row" {
                        a href=(view.link(address::operation(operation.id))) {
                            (state::operation_name(operation.kind))
                            @if let Some(name) = &operation.backup_name { " " (name) }
                        }
                    }
                    td data-label="State" {
                        (level.says(text))
                        @if operation.status == OperationStatus::Running {
                            " " (operation.progress.percent_complete) " %"
                        }
                    }
                    td data-label="Started" {

                        @match operation.started_at {
                            Some(at) => (view.time(at)),
                            None => "not yet",
                        }

                    }
                    td data-label="Started by" { (initiator(&operation.started_by.name)) }
                    td data-label="Reason" { (operation.reason.as_deref().unwrap_or("–")) }
                }
            }
        }))
    }
}

/// Returns the name of the caller who started an operation, without the means by which it was authenticated.
pub(super) fn initiator(identity: &str) -> &str {
    identity.split_once(':').map_or(identity, |(_, name)| name)
}
