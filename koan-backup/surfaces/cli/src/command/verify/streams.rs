//! The single backups of event streams that `verify --all` verifies.

use koan_backup_core::streams::{StreamVerification, StreamVerificationSummary};
use serde::Serialize;

use crate::amounts::{count_of, length};
use crate::command::stream::reference::{called, searched_profile};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::session::Session;

/// The counts of verified single backups in JSON.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StreamSummary {
    backups: u64,
    valid: u64,
    incomplete: u64,
    damaged: u64,
    failed: u64,
}

/// One damaged single backup in JSON.
#[derive(Debug, Serialize)]
struct Damaged<'a> {
    valid: bool,
    #[serde(flatten)]
    report: &'a StreamVerification,
}

/// Verifies the single backups of this application in a storage profile, or in the default profile. With `entities`, only
/// those with one of these object names are verified. Returns their counts and how the command ends.
///
/// # Errors
/// The storage cannot be read, or the command was interrupted.
pub(super) async fn verify(
    session: &Session<'_>,
    profile: Option<&str>,
    entities: &[String],
) -> Outcome<(StreamSummary, Exit)> {
    let profile = searched_profile(session, profile);
    let mut objects: Vec<_> = entities.iter().map(Some).collect();
    if objects.is_empty() {
        objects.push(None);
    }
    let (mut summary, mut exit) = (StreamSummary::default(), Exit::Done);
    for object in objects {
        let verify = session.koan.verify_stream_backups().profiles(&profile).cancel_on(session.cancel());
        let verified = match object {
            Some(object) => verify.object(object).await?,
            None => verify.await?,
        };
        report(session, &verified);
        let (damaged, failed) =
            (length(&verified.damaged) + length(&verified.unreadable), length(&verified.failed));
        summary.backups += verified.valid + damaged + failed;
        summary.valid += verified.valid - verified.without_key;
        summary.incomplete += verified.without_key;
        summary.damaged += damaged;
        exit = verified.failed.iter().map(|failed| Exit::of(failed.kind)).fold(exit, Exit::or_more_important);
        summary.failed += failed;
    }
    for (count, ended) in [(summary.damaged, Exit::Failed), (summary.incomplete, Exit::Key)] {
        exit = if count > 0 { exit.or_more_important(ended) } else { exit };
    }
    Ok((summary, exit))
}

/// Writes what was found to be damaged or could not be verified.
fn report(session: &Session<'_>, verified: &StreamVerificationSummary) {
    let output = &session.output;
    for damaged in &verified.damaged {
        if output.is_json() {
            output.message("streamVerification", Damaged { valid: damaged.is_valid(), report: damaged });
            continue;
        }
        let problem = damaged.problem.as_deref().unwrap_or_default();
        output.line(format!("damaged single backup of {}: {problem}", called(session, &damaged.backup)));
    }
    for failed in &verified.failed {
        let of = failed.object.as_deref().map(|object| format!(" of {object}")).unwrap_or_default();
        let (id, error) = (failed.id, &failed.error);
        output.warning(&format!("single backup {id}{of} could not be verified: {error}"));
    }
    for file in &verified.unreadable {
        let (path, profile, problem) = (&file.path, &file.profile, &file.problem);
        output.warning(&format!("`{path}` in profile `{profile}` is damaged: {problem}"));
    }
}

impl StreamSummary {
    /// Returns the counts for people, or `None` if there are no single backups.
    pub(super) fn line(&self) -> Option<String> {
        let Self { backups, damaged, incomplete, failed, .. } = self;
        let failed = if *failed == 0 { String::new() } else { format!(", {failed} could not be verified") };
        (*backups > 0).then(|| {
            let backups = count_of(*backups, "single backup");
            format!("{backups}, {damaged} damaged, {incomplete} not verified completely{failed}")
        })
    }
}
