//! `completions`: the completions of a shell.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::Output;

/// The arguments of `completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

impl CompletionsArgs {
    pub(crate) fn run(&self, application: &Command, output: &Output) -> Outcome<Exit> {
        let mut application = application.clone();
        let name = application.get_bin_name().unwrap_or(application.get_name()).to_owned();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut application, name, &mut script);
        output.bytes(&script);
        Ok(Exit::Done)
    }
}
