//! One attempt to deliver a notification, and why it failed.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};

/// The time limit for one attempt.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit for a connection, which is a part of [`ATTEMPT_TIMEOUT`].
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why an attempt failed. The text contains the host, and no other part of the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeliveryProblem {
    pub(crate) text: String,
    pub(crate) persistence: Persistence,
}

/// Whether another attempt may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// Another attempt may succeed.
    Temporary,
    /// Another attempt would have the same result.
    Permanent,
}

impl DeliveryProblem {
    pub(crate) fn temporary(text: impl Into<String>) -> Self {
        Self { text: text.into(), persistence: Persistence::Temporary }
    }

    pub(crate) fn permanent(text: impl Into<String>) -> Self {
        Self { text: text.into(), persistence: Persistence::Permanent }
    }
}

/// Returns the client of all HTTP targets. It follows no redirect: the address that was configured receives a
/// notification, and no other.
pub(crate) fn http_client() -> koan_backup_core::Result<Client> {
    let client = Client::builder()
        .redirect(Policy::none())
        .timeout(ATTEMPT_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("koan-backup/", env!("CARGO_PKG_VERSION")))
        .build();
    client.map_err(|source| {
        let text = "the HTTP client of the notifications cannot be created";
        koan_backup_core::Error::with_source(
            koan_backup_core::ErrorKind::Internal,
            text,
            source.without_url(),
        )
    })
}

/// Sends a request, and accepts an answer that reports success.
pub(crate) async fn send(request: RequestBuilder, host: &str) -> Result<(), DeliveryProblem> {
    let response = request.send().await.map_err(|error| unsent(error, host))?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let is_temporary = status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS]
            .contains(&status);
    let text = match status.is_redirection() {
        true => format!(
            "`{host}` redirects to another address (status {}), which is not followed",
            status.as_u16()
        ),
        false => format!("`{host}` answered with status {}", status.as_u16()),
    };
    Err(if is_temporary { DeliveryProblem::temporary(text) } else { DeliveryProblem::permanent(text) })
}

/// Returns the problem of a request that got no answer.
fn unsent(error: reqwest::Error, host: &str) -> DeliveryProblem {
    let what = if error.is_timeout() {
        format!("`{host}` did not answer in time")
    } else if error.is_connect() {
        format!("no connection to `{host}`")
    } else {
        format!("the request to `{host}` failed")
    };
    // The causes of the library contain the host at most; its own text contains the address.
    let error = error.without_url();
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    causes.dedup();
    match causes.last() {
        Some(cause) => DeliveryProblem::temporary(format!("{what}: {cause}")),
        None => DeliveryProblem::temporary(what),
    }
}
