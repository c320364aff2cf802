//! `keygen`: a new key pair for encryption.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use koan_backup_core::encryption::KeyPair;
use koan_backup_core::private_files::{ExistingFile, open_private_file};
use koan_backup_core::{Error, ErrorKind};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, OutputArgs};

/// The arguments of `keygen`.
#[derive(Args, Clone, Debug)]
pub struct KeygenArgs {
    /// Write the private key to this new file, which only its owner can read, instead of standard output
    #[arg(long, short = 'o', value_name = "FILE")]
    output_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The public key in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Generated<'a> {
    public_key: &'a str,
    file: String,
}

impl KeygenArgs {
    pub(crate) fn run(&self, output: &Output) -> Outcome<Exit> {
        let pair = KeyPair::generate();
        let Some(path) = &self.output_file else {
            if output.is_json() {
                let text = "--json prints no private key";
                return Err(Failure::usage(text, "write the private key to a file with --output-file"));
            }
            output.bytes(pair.key_file().as_bytes());
            return Ok(Exit::Done);
        };
        let shown = path.display().to_string();
        let mut file = open_private_file(path, ExistingFile::Refused).map_err(|source| {
            if source.kind() == io::ErrorKind::AlreadyExists {
                let text = format!("`{shown}` exists already; a key file is never overwritten");
                return Failure::usage(text, "select another file");
            }
            write_error(&shown, source)
        })?;
        let written = file.write_all(pair.key_file().as_bytes()).and_then(|()| file.sync_all());
        if let Err(source) = written {
            drop(std::fs::remove_file(path));
            return Err(write_error(&shown, source));
        }
        match output.is_json() {
            true => output.json(&Generated { public_key: pair.public_key(), file: shown }),
            false => {
                output.line(format!("wrote the private key to {shown}"));
                output.line(format!("public key: {}", pair.public_key()));
                output.line(
                    "  next: add the public key to `recipients` in the section [encryption] of koan.toml,",
                );
                output.line(
                    "        and keep a copy of the file in another place: without it, nothing is decrypted",
                );
            }
        }
        Ok(Exit::Done)
    }
}

fn write_error(path: &str, source: io::Error) -> Failure {
    let text = format!("`{path}` cannot be written, so no key was generated");
    Failure::from(Error::with_source(ErrorKind::Storage, text, source))
        .with_help("check the directory and its permissions")
}
