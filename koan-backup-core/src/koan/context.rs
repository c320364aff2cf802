//! The type of the context.

use std::sync::Arc;

use crate::environment::Environment;
use crate::foundation::error::{Error, ErrorKind, Result};

/// The context of an application: its entities, databases and storage profiles. It is cheap to clone.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let backup = koan.backup("nightly").description("before the sale").await?;
/// koan.verify(backup.id()).await?.require_valid()?;
/// koan.restore("nightly").replace_existing().await?;
/// assert_eq!(koan.inventory().included.len(), 3);
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Koan {
    pub(super) environment: Arc<Environment>,
}

/// The context of a builder. It is `None` if the builder was created by a static function and no context
/// was installed.
#[derive(Clone, Debug)]
pub(super) struct ContextRef(pub(super) Option<Koan>);

impl ContextRef {
    /// Returns the context.
    ///
    /// # Errors
    /// No context was installed.
    pub(super) fn require(&self) -> Result<&Koan> {
        self.0.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::Configuration,
                "no context is installed; call `koan.install()` after `build().await?`",
            )
        })
    }

    /// Returns the environment of the context.
    ///
    /// # Errors
    /// No context was installed.
    pub(super) fn environment(&self) -> Result<&Environment> {
        self.require().map(|koan| koan.environment.as_ref())
    }
}

impl From<Koan> for ContextRef {
    fn from(koan: Koan) -> Self {
        Self(Some(koan))
    }
}
