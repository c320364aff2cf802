//! The configuration of a program whose only command line is that of this crate.

use std::path::{Path, PathBuf};

use clap::Args;
use koan_backup_config::ConfigurationSources;

use crate::arguments;
use crate::failure::{Failure, Outcome};

/// The names of the configuration file, of which one may exist in the current directory.
const FILE_NAMES: [&str; 4] = ["koan.toml", "koan.yaml", "koan.yml", "koan.json"];
/// The beginning of the variables that set keys of the configuration.
const VARIABLE_PREFIX: &str = "KOAN__";

/// The flags about the configuration.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ConfigurationArgs {
    /// The configuration file, instead of koan.toml in this directory
    #[arg(long = "config", global = true, value_name = "FILE", help_heading = "Configuration")]
    file: Option<PathBuf>,
    /// Set a key of the configuration, such as backup.batch_size=500 (repeatable)
    #[arg(
        long = "setting", global = true, value_name = "KEY=VALUE", value_parser = arguments::metadata,
        help_heading = "Configuration"
    )]
    settings: Vec<(String, String)>,
}

impl ConfigurationArgs {
    /// Returns the configuration file: that of the flag, or the one in the current directory.
    ///
    /// # Errors
    /// The current directory contains several configuration files.
    pub(crate) fn file(&self) -> Outcome<Option<PathBuf>> {
        if self.file.is_some() {
            return Ok(self.file.clone());
        }
        let existing: Vec<_> = FILE_NAMES.into_iter().filter(|name| exists(Path::new(name))).collect();
        match existing.as_slice() {
            [first, second, ..] => Err(Failure::usage(
                format!("this directory contains several configuration files: {first} and {second}"),
                "remove one of them, or select one with --config",
            )),
            found => Ok(found.first().map(PathBuf::from)),
        }
    }

    /// Returns the file, the variables of the environment and the flags, or `None` if nothing is configured.
    ///
    /// # Errors
    /// The current directory contains several configuration files.
    pub(crate) fn sources(&self) -> Outcome<Option<ConfigurationSources>> {
        let file = self.file()?;
        let has_variable = std::env::vars_os()
            .any(|(name, _)| name.to_string_lossy().to_ascii_uppercase().starts_with(VARIABLE_PREFIX));
        if file.is_none() && !has_variable && self.settings.is_empty() {
            return Ok(None);
        }
        let sources = file.into_iter().fold(ConfigurationSources::new(), ConfigurationSources::file);
        let settings = self.settings.iter();
        Ok(Some(
            settings
                .fold(sources.environment(), |sources, (key, value)| sources.flag(key, value, "--setting")),
        ))
    }

    /// Returns the sources as [`sources`](Self::sources) does.
    ///
    /// # Errors
    /// Nothing is configured, or the current directory contains several configuration files.
    pub(crate) fn require_sources(&self) -> Outcome<ConfigurationSources> {
        self.sources()?.ok_or_else(nothing_configured)
    }
}

/// Returns whether there is a file, also if it is a link to a file that does not exist.
pub(crate) fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

/// Returns the error of a command that needs a configuration.
pub(crate) fn nothing_configured() -> Failure {
    Failure::usage(
        "there is no koan.toml in this directory",
        "`init` writes one; --config selects another file",
    )
}
