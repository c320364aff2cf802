//! `generate`: entities for the tables of a database.

use std::io;
use std::path::PathBuf;

use clap::Args;
use koan_backup_core::provider::blocking;
use koan_backup_core::{Error, ErrorKind, read_bounded};
use koan_backup_generate::{Difference, GenerateOptions, TimeCrate};

use crate::amounts::{count_of, length};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, OutputArgs};

/// The maximum size of a module that is compared with a database.
const MAX_MODULE_BYTES: u64 = 64 << 20;

/// The arguments of `generate`.
#[derive(Args, Clone, Debug)]
pub(crate) struct GenerateArgs {
    /// The database: sqlite:shop.db, or postgres://user@host/database
    #[arg(value_name = "URL")]
    url: String,
    /// The crate whose types represent dates and times: chrono, jiff or time
    #[arg(long, value_name = "CRATE", default_value_t)]
    time: TimeCrate,
    /// Compare this module with the database instead, and exit with 3 if they differ
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl GenerateArgs {
    pub(crate) async fn run(&self, output: &Output) -> Outcome<Exit> {
        let provider = koan_backup_generate::open(&self.url)?;
        let Some(path) = &self.check else {
            if output.is_json() {
                let text = "--json has no effect, because the module is Rust";
                return Err(Failure::usage(text, "omit --json, or compare a module with --check"));
            }
            let options = GenerateOptions::default().time(self.time);
            let module = koan_backup_generate::generate(provider.as_ref(), &options).await?;
            output.bytes(module.as_bytes());
            return Ok(Exit::Done);
        };
        let module = module(path.clone()).await?;
        let differences = koan_backup_generate::check(provider.as_ref(), &module).await?;
        print(output, &differences);
        Ok(if differences.is_empty() { Exit::Done } else { Exit::Attention })
    }
}

/// Reads the module that is compared with the database.
async fn module(path: PathBuf) -> Outcome<String> {
    let shown = path.display().to_string();
    let read = blocking("reads the module", move || read_bounded(&path, MAX_MODULE_BYTES)).await?;
    let bytes = read.map_err(|source| {
        let text = format!("the module `{shown}` cannot be read");
        let (kind, help) = match source.kind() {
            io::ErrorKind::NotFound => (ErrorKind::NotFound, "`generate URL > FILE` writes a module"),
            _ => {
                (ErrorKind::Configuration, "specify a regular file of at most 64 MiB that this user can read")
            }
        };
        Error::with_source(kind, text, source).with_help(help)
    })?;
    String::from_utf8(bytes).map_err(|_| {
        let text = format!("the module `{shown}` is not text in UTF-8");
        Error::new(ErrorKind::Configuration, text).with_help("specify a Rust module").into()
    })
}

fn print(output: &Output, differences: &[Difference]) {
    if output.is_json() {
        output.json(&differences);
        return;
    }
    differences.iter().for_each(|difference| output.line(difference.to_string()));
    output.line(match length(differences) {
        0 => "no differences".to_owned(),
        count => count_of(count, "difference"),
    });
}
