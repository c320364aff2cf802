//! What was delivered.

use serde::Serialize;

/// What was delivered to each target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
#[must_use = "the notifications that were not delivered are in it"]
pub struct NotifyReport {
    /// The targets, in the order in which they were added.
    pub targets: Vec<TargetReport>,
}

/// What was delivered to a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TargetReport {
    /// The name of the target.
    pub name: String,
    /// The number of notifications that were delivered.
    pub delivered: u64,
    /// The number of notifications that could not be delivered, also after several attempts.
    pub failed: u64,
    /// The number of notifications that were not sent, because too many others were waiting or the time was over.
    pub unsent: u64,
    /// Why the last attempt that failed did so. It contains the host of the target, and no secret.
    pub last_problem: Option<String>,
}

impl NotifyReport {
    /// Returns whether everything was delivered.
    pub fn is_complete(&self) -> bool {
        self.targets.iter().all(|target| target.failed == 0 && target.unsent == 0)
    }

    /// Returns a warning for each target to which something was not delivered.
    pub fn warnings(&self) -> impl Iterator<Item = String> + '_ {
        self.targets.iter().filter(|target| target.failed > 0 || target.unsent > 0).map(|target| {
            let lost = target.failed.saturating_add(target.unsent);
            let plural = if lost == 1 { "notification was" } else { "notifications were" };
            let problem = target.last_problem.as_deref();
            let problem = problem.map_or_else(String::new, |problem| format!(": {problem}"));
            format!("{lost} {plural} not delivered to `{}`{problem}", target.name)
        })
    }
}
