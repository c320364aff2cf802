//! The problems with which each operation can answer, whatever it does.

use utoipa::openapi::path::{HttpMethod, Operation};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};

/// The media type of problems.
const PROBLEM: &str = "application/problem+json";

/// A problem that the layers around the handlers can answer, by its status.
type Declared = (&'static str, &'static str);

/// Problems of every operation.
const ALWAYS: [Declared; 4] = [
    ("400", "The path, the query or the body is malformed"),
    ("401", "The request has no valid token or session, or has a token in its address"),
    ("408", "The body was not received in time"),
    ("413", "The body is too large"),
];

/// Problems of operations for which a caller is needed.
const OF_CALLERS: [Declared; 2] = [
    ("403", "The role of the caller does not permit the request, or another site has sent it"),
    ("429", "The address of the caller has sent too many wrong tokens, or too many operations wait"),
];

/// Problems of operations that look something up, change something or read a storage profile.
const OF_WORK: [Declared; 5] = [
    ("404", "What the request names does not exist"),
    ("409", "The request contradicts the current state, or a key is missing"),
    ("422", "A field or parameter is not valid"),
    ("502", "A database or storage profile cannot be used"),
    ("503", "The server is stopping, or the audit log cannot be written"),
];

/// Problems of operations with a body.
const OF_BODIES: [Declared; 2] =
    [("415", "The body has another media type"), ("422", "A field is not valid or unknown")];

/// Declares the problems of an operation, and the media type of those that it declares itself.
pub(super) fn add(method: HttpMethod, operation: &mut Operation) {
    let is_public = operation.security.is_some();
    let is_session = operation.tags.iter().flatten().any(|tag| tag == "session");
    let mut declared = ALWAYS.to_vec();
    if !is_public || is_session {
        declared.extend(OF_CALLERS);
    }
    if !is_public {
        declared.extend(OF_WORK);
    }
    if operation.request_body.is_some() || (method != HttpMethod::Get && !is_public) {
        declared.extend(OF_BODIES);
    }
    let responses = &mut operation.responses.responses;
    let own = responses.iter_mut().filter(|(status, _)| status.starts_with(['4', '5']));
    for (_, response) in own {
        if let RefOr::T(response) = response
            && let Some(content) = response.content.shift_remove("application/json")
        {
            response.content.insert(PROBLEM.to_owned(), content);
        }
    }
    for (status, description) in declared {
        responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(problem(description)));
    }
    responses.insert("default".to_owned(), RefOr::T(problem("Another problem")));
}

fn problem(description: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(description).content(PROBLEM, content).build()
}
