//! The web page: what a person sees and does in a browser.
//!
//! Every screen has an address, is rendered by the server, and works without JavaScript. With JavaScript, htmx replaces
//! the parts that change while an operation runs. The state of a screen is in its address, so that it can be reloaded and
//! sent to a colleague, and several tabs do not affect each other.

mod actions;
mod address;
mod assets;
mod backup;
mod backups;
mod chart;
mod choices;
mod compare;
mod coverage;
mod form;
mod frame;
mod list;
mod operation;
mod operations;
mod overview;
mod problem;
mod progress;
mod report;
mod report_parts;
mod restore;
mod restore_steps;
mod sign_in;
mod state;
mod stream_actions;
mod stream_backup;
mod stream_report;
mod streams;
mod table;
mod wording;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::access::gate::Mount;
use crate::state::Shared;

pub(crate) use address::ROOT;
pub(crate) use problem::present;

/// Returns the routes of the page that need a caller. Each of their handlers requires a role.
pub(crate) fn protected() -> Router<Arc<Shared>> {
    let screens = Router::new()
        .route("/", get(overview::show))
        .route("/coverage", get(coverage::show))
        .route("/backups", get(backups::show))
        .route("/backups/{backup}", get(backup::show))
        .route("/compare", get(compare::show))
        .route("/restore", get(restore::show))
        .route("/streams", get(streams::show))
        .route("/streams/{backup}", get(stream_backup::show))
        .route("/operations", get(operations::show))
        .route("/operations/{id}", get(operation::show))
        .route("/operations/{id}/progress", get(progress::stream));
    let actions = Router::new()
        .route("/coverage/refresh", post(coverage::refresh))
        .route("/backup", post(actions::back_up))
        .route("/backups/{backup}/verify", post(actions::verify))
        .route("/backups/{backup}/copy", post(actions::copy))
        .route("/backups/{backup}/pin", post(actions::pin))
        .route("/backups/{backup}/unpin", post(actions::unpin))
        .route("/backups/{backup}/acknowledge", post(actions::acknowledge))
        .route("/backups/{backup}/delete", post(actions::delete))
        .route("/restore/check", post(restore::check))
        .route("/restore/preview", post(restore::preview))
        .route("/restore/start", post(restore::start))
        .route("/streams/backup", post(stream_actions::back_up))
        .route("/streams/cleanup", post(stream_actions::clean_up))
        .route("/streams/{backup}/verify", post(stream_actions::verify))
        .route("/streams/{backup}/restore", post(stream_actions::restore))
        .route("/streams/{backup}/clone", post(stream_actions::clone))
        .route("/streams/{backup}/delete", post(stream_actions::delete))
        .route("/operations/{id}/cancel", post(actions::cancel));
    Router::new().nest(ROOT, screens.merge(actions))
}

/// Returns the routes of the page that need no caller: the sign-in, and the files that every screen uses. Below a path of
/// its own, the router also leads from that path to the page; the root belongs to the application.
pub(crate) fn public(mount: Mount) -> Router<Arc<Shared>> {
    let routes = Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::start))
        .route("/sign-out", post(sign_in::end))
        .route("/assets/{version}/{file}", get(assets::file));
    let page = Router::new().nest(ROOT, routes);
    match mount {
        Mount::Nested => page.route("/", get(overview::lead)),
        Mount::Root => page,
    }
}
