//! `doctor`: checks everything that a backup or a restore needs.

use std::time::Duration;

use clap::Args;
use koan_backup_config::ConfigurationSources;
use koan_backup_core::builders::DiagnosisBuilder;
use koan_backup_core::report::{Check, CheckCode, CheckState, CheckSubject, Diagnosis};
use koan_backup_core::{Error, KoanBuilder};
use tokio_util::sync::CancellationToken;

use crate::amounts::count_of;
use crate::arguments;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::flag_text::with_flags;
use crate::output::{Output, OutputArgs};
use crate::session::Session;

/// The width of the column of states: that of `problem` and two spaces.
const STATE_WIDTH: usize = 9;
/// The least width of the column of subjects.
const MIN_SUBJECT_WIDTH: usize = 20;
/// The indent of a remedy.
const HELP_INDENT: &str = "            ";

/// The flags of `doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Wait at most this long for each answer of a database, a storage or a command that prints a secret
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = arguments::duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl DoctorArgs {
    /// Diagnoses a context.
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        self.report(session.koan.diagnose(), session.cancel(), &session.output).await
    }

    /// Diagnoses what is configured, also if the configuration has problems. `builder` contains the defaults of the
    /// application.
    pub(crate) async fn run_with_configuration(
        &self,
        sources: ConfigurationSources,
        builder: KoanBuilder,
        cancel: CancellationToken,
        output: &Output,
    ) -> Outcome<Exit> {
        let builder = builder.without_background_tasks();
        let sources = sources.command_timeout(self.timeout).cancel_on(cancel.clone());
        self.report(sources.diagnose(builder).await?, cancel, output).await
    }

    /// Reports that the context cannot be built.
    pub(crate) async fn run_without_context(&self, error: &Error, output: &Output) -> Outcome<Exit> {
        let remedy = "correct the configuration of the application";
        let check =
            Check::of_error(CheckSubject::Configuration, CheckCode::ConfigurationInvalid, error, remedy);
        self.report(DiagnosisBuilder::without_context().check(check), CancellationToken::new(), output).await
    }

    async fn report(
        &self,
        diagnosis: DiagnosisBuilder,
        cancel: CancellationToken,
        output: &Output,
    ) -> Outcome<Exit> {
        let diagnosis = diagnosis.timeout(self.timeout).cancel_on(cancel).await?;
        match output.is_json() {
            true => output.json(&diagnosis.checks),
            false => lines(&diagnosis).iter().for_each(|line| output.line(line)),
        }
        Ok(if diagnosis.is_healthy() { Exit::Done } else { Exit::Attention })
    }
}

/// Returns the lines for people.
fn lines(diagnosis: &Diagnosis) -> Vec<String> {
    let widths = diagnosis.checks.iter().map(|check| check.label().chars().count() + 2);
    let subject_width = widths.max().unwrap_or_default().max(MIN_SUBJECT_WIDTH);
    let mut lines = Vec::new();
    for check in &diagnosis.checks {
        let state = match check.state {
            CheckState::Ok => "ok",
            CheckState::Warning => "warning",
            CheckState::Problem => "problem",
        };
        let label = check.label();
        lines.push(format!("{state:STATE_WIDTH$}{label:subject_width$}{}", with_flags(&check.detail)));
        lines.extend(check.remedy.iter().map(|remedy| format!("{HELP_INDENT}help: {}", with_flags(remedy))));
    }
    let count = |checks: usize| u64::try_from(checks).unwrap_or(u64::MAX);
    let problems = match count(diagnosis.problems().count()) {
        0 => "no problems".to_owned(),
        problems => count_of(problems, "problem"),
    };
    let warnings = match count(diagnosis.warnings().count()) {
        0 => String::new(),
        warnings => format!(", {}", count_of(warnings, "warning")),
    };
    lines.push(format!("{problems}{warnings}"));
    lines
}
