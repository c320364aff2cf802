//! The frame of every screen: its head, its navigation, and the caller.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

use super::address::ROOT;
use super::{assets, wording};
use crate::access::{Principal, PrincipalOrigin, Role};
use crate::state::Shared;

/// The screens in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Screen {
    Overview,
    Coverage,
    Backups,
    Streams,
    Restore,
    Operations,
}

impl Screen {
    const ALL: [Self; 6] =
        [Self::Overview, Self::Coverage, Self::Backups, Self::Streams, Self::Restore, Self::Operations];

    fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Coverage => "Coverage",
            Self::Backups => "Backups",
            Self::Streams => "Event streams",
            Self::Restore => "Restore",
            Self::Operations => "Operations",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Overview => "",
            Self::Coverage => "/coverage",
            Self::Backups => "/backups",
            Self::Streams => "/streams",
            Self::Restore => "/restore",
            Self::Operations => "/operations",
        }
    }
}

/// How a screen is kept up to date in a browser without JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresh<'a> {
    /// It does not change by itself.
    Never,
    /// It is loaded again from this address every few seconds, because an operation runs. The address has no fragment: with
    /// one, a browser would not load the screen again.
    WhileRunning(&'a str),
}

/// Who sees a screen, and when.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) shared: &'a Shared,
    pub(super) caller: &'a Principal,
    pub(super) now: Timestamp,
}

impl<'a> View<'a> {
    pub(super) fn new(shared: &'a Shared, caller: &'a Principal) -> Self {
        Self { shared, caller, now: Timestamp::now() }
    }

    /// Returns whether the caller has the role `required` or a higher one, so that a button is shown.
    pub(super) fn may(&self, required: Role) -> bool {
        self.caller.role() >= required
    }

    /// Returns the address of a route of the page.
    pub(super) fn link(&self, route: impl AsRef<str>) -> String {
        link(self.shared, route)
    }

    /// Returns a time relative to now.
    pub(super) fn time(&self, at: Timestamp) -> Markup {
        wording::time(at, self.now)
    }

    /// Returns what the header says about the caller.
    pub(super) fn caller(&self) -> Markup {
        html! {
            div.caller {
                p { "signed in as " strong { (self.caller.name()) } " (" (self.caller.role()) ")" }
                @if self.caller.origin() == PrincipalOrigin::Session {
                    form method="post" action=(self.link("/sign-out")) {
                        button.quiet type="submit" { "Sign out" }
                    }
                }
            }
        }
    }

    /// Returns a screen.
    pub(super) fn page(
        &self,
        screen: Screen,
        title: &str,
        refresh: Refresh<'_>,
        content: &Markup,
    ) -> Response {
        document(self.shared, Some(screen), title, refresh, &self.caller(), content)
    }
}

/// Returns the address of a route of the page.
pub(super) fn link(shared: &Shared, route: impl AsRef<str>) -> String {
    shared.links.to(&format!("{ROOT}{}", route.as_ref()))
}

/// Returns a complete document. `caller` is what the header says about the caller.
pub(super) fn document(
    shared: &Shared,
    screen: Option<Screen>,
    title: &str,
    refresh: Refresh<'_>,
    caller: &Markup,
    content: &Markup,
) -> Response {
    let capabilities = shared.koan.capabilities();
    // An application without event streams does not need their screen.
    let has_streams = !capabilities.event_streams.is_empty() || screen == Some(Screen::Streams);
    let application = capabilities.application;
    let asset = |name: &str| shared.links.to(&assets::route(name));
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Scripts of htmx are never evaluated, and its styles are in `page.css`, as the policy of the page requires.
                meta name="htmx-config" content=r#"{"allowEval":false,"includeIndicatorStyles":false,"historyEnabled":false}"#;
                @if let Refresh::WhileRunning(address) = refresh {
                    noscript { meta http-equiv="refresh" content=(format!("2; url={address}")); }
                }
                title { (title) " · " (application) " backups" }
                link rel="icon" type="image/svg+xml" href=(asset("icon.svg"));
                link rel="stylesheet" href=(asset("page.css"));
                script src=(asset("htmx.min.js")) defer {}
                script src=(asset("sse.min.js")) defer {}
                script src=(asset("page.js")) defer {}
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header {
                    div.bar {
                        p.application { (application) " backups" }
                        (caller)
                    }
                    @if screen.is_some() || !caller.0.is_empty() {
                        nav aria-label="Screens" {
                            @for entry in Screen::ALL.into_iter().filter(|entry| has_streams || *entry != Screen::Streams) {
                                a href=(link(shared, entry.path())) aria-current=[(screen == Some(entry)).then_some("page")] {
                                    (entry.title())
                                }
                            }
                        }
                    }
                }
                p #connection role="status" aria-live="polite" hidden {
                    "The connection to the server is lost. The page tries again by itself."
                }
                main #content tabindex="-1" { (content) }
            }
        }
    };
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], markup.into_string()).into_response()
}
