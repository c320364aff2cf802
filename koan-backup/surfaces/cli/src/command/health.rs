//! `health`: what needs attention.

use std::time::Duration;

use clap::Args;
use koan_backup_core::catalog::Expectations;
use koan_backup_core::streams::StreamBackupHealth;

use crate::amounts::{count, count_of, length};
use crate::arguments;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::session::Session;

/// The flags of `health`.
#[derive(Args, Clone, Debug)]
pub struct HealthArgs {
    /// Expect a completed backup that is not older than this, such as 24h
    #[arg(long, value_name = "AGE", value_parser = arguments::duration)]
    every: Option<Duration>,
    /// Expect every entity in a completed backup that is not older than this
    #[arg(long, value_name = "AGE", value_parser = arguments::duration)]
    entities_within: Option<Duration>,
    /// Expect that a backup was verified within this time
    #[arg(long, value_name = "AGE", value_parser = arguments::duration)]
    verified_within: Option<Duration>,
    /// Expect that no entity loses a larger share of its records
    #[arg(long, value_name = "PERCENT", value_parser = arguments::percent)]
    max_loss: Option<u8>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl HealthArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        session.refuse_fixed([
            self.every.map(|_| ("--every", "expectations.backup_within")),
            self.entities_within.map(|_| ("--entities-within", "expectations.entities_within")),
            self.verified_within.map(|_| ("--verified-within", "expectations.verified_within")),
            self.max_loss.map(|_| ("--max-loss", "expectations.max_loss_percent")),
        ])?;
        let output = &session.output;
        let mut expected = session.koan.expectations().clone();
        expected = self.every.into_iter().fold(expected, Expectations::every);
        expected = self.entities_within.into_iter().fold(expected, Expectations::entities_within);
        expected = self.verified_within.into_iter().fold(expected, Expectations::verified_within);
        expected = self.max_loss.into_iter().fold(expected, Expectations::max_loss_percent);
        let health = session.koan.catalog().health(&expected).await?;
        if output.is_json() {
            output.json(&health);
        } else {
            let last = |found: Option<(_, jiff::Timestamp)>| {
                found.map_or_else(|| "never".to_owned(), |(_, at)| session.moment(at))
            };
            output.line(format!("last completed backup   {}", last(health.last_success)));
            output.line(format!("last verification       {}", last(health.last_verification)));
            streams(session, &health.stream_backups).iter().for_each(|line| output.line(line));
            health.problems.iter().for_each(|problem| output.line(format!("problem  {problem}")));
            output.line(match length(&health.problems) {
                0 => "no problems".to_owned(),
                problems => count_of(problems, "problem"),
            });
        }
        session.coverage_gaps().iter().for_each(|warning| output.warning(warning));
        Ok(if health.is_healthy() { Exit::Done } else { Exit::Attention })
    }
}

/// Returns the line about the single backups of event streams, or `None` if there are none and no event type is declared.
fn streams(session: &Session<'_>, health: &StreamBackupHealth) -> Option<String> {
    let StreamBackupHealth { backups, expired, damaged, unreadable, unlisted, .. } = health;
    let is_empty = *backups == 0 && unreadable.is_empty() && unlisted.is_empty();
    if is_empty && session.koan.capabilities().event_streams.is_empty() {
        return None;
    }
    let mut text = format!("single backups          {}", count(*backups));
    for (number, state) in [
        (*expired, "expired"),
        (length(damaged), "damaged"),
        (length(unreadable), "not readable"),
        (length(unlisted), "unlisted"),
    ] {
        if number > 0 {
            text.push_str(&format!(", {} {state}", count(number)));
        }
    }
    Some(text)
}
