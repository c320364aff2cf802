//! The leases of the providers into which a restore writes, so that never two restores write into one provider.

use futures::future::select_all;
use tokio_util::sync::CancellationToken;

use crate::environment::Environment;
use crate::environment::lease::{Lease, LeasedWork, Subject};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::provider::{Finding, Severity};

/// The leases of the providers of one restore. They are in the default storage profile of the application, whichever
/// profile or directory tree the backup comes from.
#[derive(Debug, Default)]
pub(crate) struct ProviderLeases(Vec<Lease>);

impl ProviderLeases {
    /// Acquires the lease of each provider. Returns a warning if the default storage profile cannot be used, because
    /// a restore must be possible after its loss.
    ///
    /// # Errors
    /// Another restore writes into one of the providers ([`ErrorKind::Busy`]), a lease cannot be read, or the work was
    /// cancelled.
    pub(crate) async fn acquire(
        &mut self,
        environment: &Environment,
        providers: impl Iterator<Item = &String>,
        backup: BackupId,
        cancel: &CancellationToken,
    ) -> Result<Option<Finding>> {
        let Some(storage) = &environment.shared_storage else { return Ok(None) };
        for name in providers {
            let database = environment.provider(name)?.database();
            let subject = Subject::of_restore_into(name, database, &environment.identity);
            let work = LeasedWork { backup: Some(backup), archive: None };
            match Lease::acquire(environment, storage, subject, work, cancel).await {
                Ok(lease) => self.0.push(lease),
                Err(error) if error.kind() == ErrorKind::Storage => return Ok(Some(unprotected(&error))),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Runs work that writes into the providers. It stops when one of the leases is lost.
    pub(crate) async fn hold_during<T>(
        &self,
        cancel: &CancellationToken,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        if self.0.is_empty() {
            return work.await;
        }
        let tokens: Vec<_> = self.0.iter().map(Lease::stop_token).collect();
        let lost = select_all(tokens.iter().map(|token| Box::pin(token.cancelled())));
        let outcome = tokio::select! {
            biased;
            outcome = work => outcome,
            _ = lost => Err(Error::cancelled()),
        };
        outcome.map_err(|error| self.explain(error, cancel))
    }

    /// Confirms every lease, immediately before the commit.
    ///
    /// # Errors
    /// A lease was lost ([`ErrorKind::Busy`]), the work was cancelled, or the storage fails.
    pub(crate) async fn confirm(&self) -> Result<()> {
        for lease in &self.0 {
            lease.confirm().await?;
        }
        Ok(())
    }

    pub(crate) async fn release(self) {
        for lease in self.0 {
            lease.release().await;
        }
    }

    fn explain(&self, error: Error, cancel: &CancellationToken) -> Error {
        self.0.iter().fold(error, |error, lease| lease.explain(error, cancel))
    }
}

/// Returns the finding of a restore that no lease protects.
fn unprotected(error: &Error) -> Finding {
    tracing::warn!(
        target: "koan::backup", error = %error.chain(),
        "the default storage profile cannot be used, so no lease prevents a second restore into the same provider"
    );
    Finding::general(
        Severity::Warning,
        "no lease prevents a second restore into the same provider, because the default storage profile cannot be used",
    )
}
