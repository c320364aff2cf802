//! The time limit of each check.

use std::time::Duration;

use super::amounts::length_of_time;
use super::check::{Check, CheckCode, CheckSubject};

/// Waits for the end of work, for at most `limit`. Returns `None` if it has not ended by then.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

/// Returns the problem that `who` did not respond within the limit.
pub(super) fn no_response(subject: CheckSubject, who: &str, limit: Duration, remedy: &str) -> Check {
    let detail = format!("{who} did not respond within {}", length_of_time(limit));
    let remedy = format!("{remedy}; a longer time limit (`--timeout`) waits longer");
    Check::problem(subject, CheckCode::NoResponse, detail).with_remedy(remedy)
}
