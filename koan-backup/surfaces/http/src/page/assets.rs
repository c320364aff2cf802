//! The files that every screen uses. They are part of the library.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use crate::hex::hex;
use crate::problem::{Problem, ProblemKind};
use crate::requests::PathParameters;

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The name, the media type and the content of each file.
///
/// `htmx.min.js` is htmx 2.0.11, and `sse.min.js` its extension for server-sent events 2.2.4. Both are under the
/// Zero-Clause BSD license.
const FILES: [(&str, &str, &str); 5] = [
    ("page.css", CSS, include_str!("assets/page.css")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
    ("page.js", SCRIPT, include_str!("assets/page.js")),
    ("htmx.min.js", SCRIPT, include_str!("assets/htmx.min.js")),
    ("sse.min.js", SCRIPT, include_str!("assets/sse.min.js")),
];

/// The hash of all files. It is part of their addresses, so that browsers can keep them.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    FILES.iter().for_each(|(_, _, content)| hash.update(content));
    hex(hash.finalize())
});

/// Returns the route of a file.
pub(super) fn route(name: &str) -> String {
    format!("{}/assets/{}/{name}", super::address::ROOT, *VERSION)
}

/// Returns a file. With the version of another release, browsers do not keep it.
pub(super) async fn file(path: PathParameters) -> Result<Response, Problem> {
    let (version, name) = (path.get("version")?, path.get("file")?);
    let Some((_, media_type, content)) = FILES.iter().find(|(known, ..)| *known == name) else {
        return Err(Problem::new(ProblemKind::NotFound, "there is no such file"));
    };
    let caching = if version == *VERSION { "public, max-age=31536000, immutable" } else { "no-store" };
    Ok(([(header::CONTENT_TYPE, *media_type), (header::CACHE_CONTROL, caching)], *content).into_response())
}
