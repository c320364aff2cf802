//! The methods that a configuration adds to the context and its builder.

use std::path::Path;

use koan_backup_core::{Koan, KoanBuilder, Result};

use crate::sources::ConfigurationSources;

/// Builds a context from a configuration: `Koan::from_config("koan.toml").await?`.
pub trait KoanConfig: Sized {
    /// Builds a context from the file at `path`, which must exist, and the environment variables of this process.
    ///
    /// ```no_run
    /// use koan_backup::config::KoanConfig as _;
    /// use koan_backup::Koan;
    ///
    /// # async fn run() -> koan_backup::Result<()> {
    /// let koan = Koan::from_config("koan.toml").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The configuration has a problem, or the context cannot be built.
    fn from_config(path: impl AsRef<Path> + Send) -> impl Future<Output = Result<Self>> + Send;
}

impl KoanConfig for Koan {
    async fn from_config(path: impl AsRef<Path> + Send) -> Result<Self> {
        let builder = Self::builder().config(path.as_ref())?;
        builder.build().await
    }
}

/// Adds a configuration to a builder: `Koan::builder().config("koan.toml")?.build().await?`.
pub trait BuilderConfig: Sized {
    /// Adds everything that is configured: a path is the file, which must exist, and the environment variables of this
    /// process. Configured values replace those that were set before this call; a later call of a setter replaces a
    /// configured value. A key of `[backup]`, `[restore]`, `[retention]`, `[expectations]` or `[maintenance]` replaces
    /// only its own value.
    ///
    /// Secrets are read and databases are opened in this call, which may block the thread.
    ///
    /// ```no_run
    /// use koan_backup::config::{BuilderConfig as _, ConfigurationSources};
    /// use koan_backup::Koan;
    ///
    /// # async fn run() -> koan_backup::Result<()> {
    /// let sources = ConfigurationSources::new().optional_file("koan.toml").environment();
    /// let koan = Koan::builder().application("shop").config(sources)?.build().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The configuration has a problem, a secret cannot be read, or a database or storage cannot be opened.
    fn config(self, sources: impl Into<ConfigurationSources>) -> Result<Self>;
}

impl BuilderConfig for KoanBuilder {
    fn config(self, sources: impl Into<ConfigurationSources>) -> Result<Self> {
        sources.into().load()?.apply(self)
    }
}
