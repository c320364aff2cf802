//! The type of the context.

use std::borrow::Cow;
use std::sync::Arc;

use super::background::BackgroundTasks;
use super::defaults::OperationDefaults;
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
///
/// The context owns the background tasks that its builder started, for example by
/// [`background_maintenance`](crate::KoanBuilder::background_maintenance). They stop when the last clone of the context
/// is dropped, or when [`stop_background`](Self::stop_background) is called.
#[derive(Clone, Debug)]
pub struct Koan {
    pub(super) environment: Arc<Environment>,
    pub(super) defaults: Arc<OperationDefaults>,
    pub(super) background: Arc<BackgroundTasks>,
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

    /// Returns the defaults of operations, or the defaults of the library if no context was installed.
    pub(super) fn defaults(&self) -> Cow<'_, OperationDefaults> {
        self.0.as_ref().map_or_else(Cow::default, |koan| Cow::Borrowed(koan.defaults.as_ref()))
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
