//! What a running command uses: the context of the application, the output, and the interruption.

use jiff::Timestamp;
use koan_backup_core::Koan;
use koan_backup_core::report::ProviderCapabilities;
use tokio_util::sync::CancellationToken;

use crate::amounts::{count_of, length};
use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::times;

/// What a running command uses.
#[derive(Debug)]
pub(crate) struct Session<'k> {
    /// The context of the application.
    pub(crate) koan: &'k Koan,
    /// The output of the command.
    pub(crate) output: Output,
    interrupt: Interrupt,
}

impl<'k> Session<'k> {
    /// Begins a command.
    ///
    /// # Errors
    /// The system does not report signals to this process.
    pub(crate) fn begin(koan: &'k Koan, output: Output) -> Outcome<Self> {
        let interrupt = Interrupt::begin(&output)?;
        Ok(Self::with_interrupt(koan, output, interrupt))
    }

    /// Begins a command in a process that waits for interruptions already.
    pub(crate) fn with_interrupt(koan: &'k Koan, output: Output, interrupt: Interrupt) -> Self {
        Self { koan, output, interrupt }
    }

    /// Returns the interruption of the command.
    pub(crate) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Returns the token that Ctrl-C cancels.
    pub(crate) fn cancel(&self) -> CancellationToken {
        self.interrupt.token()
    }

    /// Runs work that has nothing to undo. It is dropped when the command is interrupted.
    ///
    /// # Errors
    /// The errors of the work, or the command was interrupted.
    pub(crate) async fn until_interrupted<T>(&self, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        self.interrupt.until_interrupted(work).await
    }

    /// Refuses flags that would change a setting which the application has fixed. `flags` contains each flag of the
    /// command line that is set, with the key of the setting.
    ///
    /// # Errors
    /// The application has fixed one of the settings.
    pub(crate) fn refuse_fixed<'f>(
        &self,
        flags: impl IntoIterator<Item = Option<(&'f str, &'f str)>>,
    ) -> Outcome<()> {
        let is_fixed = |key: &str| self.koan.fixed_settings().any(|fixed| fixed == key);
        match flags.into_iter().flatten().find(|(_, key)| is_fixed(key)) {
            None => Ok(()),
            Some((flag, key)) => Err(Failure::usage(
                format!("`{key}` is fixed by the application, so {flag} cannot change it"),
                format!("omit {flag}"),
            )),
        }
    }

    /// Returns a time as people say it.
    pub(crate) fn moment(&self, at: Timestamp) -> String {
        times::moment(at, Timestamp::now(), self.output.zone())
    }

    /// Returns the warning about what no backup covers, or `None` if everything is covered.
    pub(crate) fn coverage_gaps(&self) -> Option<String> {
        let inventory = self.koan.inventory();
        let gaps = length(&inventory.uncovered) + length(&inventory.warnings);
        let gaps = (gaps > 0).then(|| count_of(gaps, "gap"))?;
        Some(format!(
            "{gaps} in the coverage, so a backup may lack data; `inventory` shows what is not covered"
        ))
    }

    /// Returns the name and the location of a storage profile, or of the default profile: `local (.koan/backups)`.
    pub(crate) fn profile(&self, name: Option<&str>) -> String {
        let profiles = self.koan.capabilities().profiles;
        let found = match name {
            None => profiles.first(),
            Some(name) => profiles.iter().find(|profile| profile.name == name),
        };
        found.map_or_else(
            || name.unwrap_or_default().to_owned(),
            |profile| format!("{} ({})", profile.name, profile.location),
        )
    }
}

/// Returns the name, the kind and the database of a provider: `main (postgres, database shop)`.
pub(crate) fn described(provider: &ProviderCapabilities) -> String {
    match &provider.database {
        Some(database) => format!("{} ({}, database {database})", provider.name, provider.kind),
        None => format!("{} ({})", provider.name, provider.kind),
    }
}
