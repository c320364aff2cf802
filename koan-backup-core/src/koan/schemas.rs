//! The builder that reads the schemas of a backup: `koan.schemas("nightly").await?`.

use std::future::IntoFuture;

use futures::future::BoxFuture;

use super::Koan;
use super::extract::ExtractBuilder;
use crate::archive::SchemaSnapshots;
use crate::catalog::BackupRef;
use crate::foundation::error::Result;
use crate::foundation::runtime::in_runtime;

/// The builder that reads the schema snapshots of a backup from its archive, when it is awaited.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let schemas = koan.schemas("nightly").await?;
/// assert_eq!(schemas["Order"].fields[0].name, "id");
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
#[must_use = "nothing is read until the builder is awaited"]
pub struct SchemasBuilder {
    extract: ExtractBuilder,
}

impl SchemasBuilder {
    pub(super) fn new(koan: Koan, backup: BackupRef) -> Self {
        Self { extract: ExtractBuilder::new(koan, backup) }
    }

    /// Sets the storage profile of the backup. Without this setting, the default profile is used.
    pub fn from_profile(mut self, profile: impl Into<String>) -> Self {
        self.extract = self.extract.from_profile(profile);
        self
    }
}

impl IntoFuture for SchemasBuilder {
    type Output = Result<SchemaSnapshots>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        in_runtime(async move { Ok(self.extract.open().await?.archive().documents().schemas.clone()) })
    }
}
