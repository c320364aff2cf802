//! `man`: the manual page.

use clap::{Args, Command};
use clap_mangen::Man;
use koan_backup_core::{Error, ErrorKind};

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// The arguments of `man`.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// The command whose page is printed, by default the page of the program
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

impl ManArgs {
    pub(crate) fn run(&self, application: &Command, output: &Output) -> Outcome<Exit> {
        let mut page = application.clone();
        page.build();
        for name in &self.command {
            page = page.find_subcommand(name).cloned().ok_or_else(|| {
                Failure::usage(format!("there is no command `{name}`"), "--help shows the commands")
            })?;
        }
        let mut text = Vec::new();
        Man::new(page).render(&mut text).map_err(|source| {
            Error::with_source(ErrorKind::Internal, "the manual page cannot be formatted", source)
        })?;
        output.bytes(&text);
        Ok(Exit::Done)
    }
}
