//! `init`: writes a configuration file to start from.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use koan_backup_core::private_files::{ExistingFile, open_private_file};
use koan_backup_core::{Error, ErrorKind};
use serde::Serialize;

use crate::configuration_file::ConfigurationArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, OutputArgs};

/// The arguments of `init`.
#[derive(Args, Clone, Debug)]
pub struct InitArgs {
    /// The URL of the database, such as sqlite:shop.db or postgres://user@host/database
    #[arg(value_name = "URL", default_value = "sqlite:shop.db")]
    url: String,
    /// The name of the application
    #[arg(long, value_name = "NAME", default_value = "shop")]
    name: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The written file in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    file: &'a str,
}

impl InitArgs {
    pub(crate) fn run(&self, configuration: &ConfigurationArgs, output: &Output) -> Outcome<Exit> {
        let text = koan_backup_config::starter_for(&self.name, &self.url)?;
        let path = configuration.file()?.unwrap_or_else(|| PathBuf::from("koan.toml"));
        let shown = path.display().to_string();
        if path.extension().is_none_or(|extension| extension != "toml") {
            let text = format!("`{shown}` is not the name of a TOML file, which is what `init` writes");
            return Err(Failure::usage(text, "select a file whose name ends with .toml"));
        }
        let mut file = open_private_file(&path, ExistingFile::Refused).map_err(|source| {
            if source.kind() == io::ErrorKind::AlreadyExists {
                let text = format!("`{shown}` exists already, so nothing was written");
                return Failure::usage(text, "edit it, or select another file with --config");
            }
            write_error(&shown, source)
        })?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        if let Err(source) = written {
            // A later command would read the incomplete file as the configuration.
            drop(std::fs::remove_file(&path));
            return Err(write_error(&shown, source));
        }
        match output.is_json() {
            true => output.json(&Written { file: &shown }),
            false => {
                output.line(format!("wrote {shown}"));
                output.line("  next: check the databases and the storage in it, then run `config check`");
            }
        }
        Ok(Exit::Done)
    }
}

fn write_error(path: &str, source: io::Error) -> Failure {
    let text = format!("`{path}` cannot be written");
    Failure::from(Error::with_source(ErrorKind::Storage, text, source))
        .with_help("check the directory and its permissions")
}
