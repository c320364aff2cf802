//! Questions before a command destroys something.

use std::io::{self, IsTerminal};

use clap::Args;
use dialoguer::{Confirm, Input};
use koan_backup_core::{Error, ErrorKind};
use tokio::sync::oneshot;

use crate::failure::{Failure, Outcome};
use crate::session::Session;
use crate::terminal_mode::TerminalMode;

/// The flag with which scripts answer a question.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct ConfirmArgs {
    /// Do it without asking
    #[arg(long)]
    yes: bool,
}

impl ConfirmArgs {
    /// Returns whether a question can and will be asked.
    pub(crate) fn asks(self) -> bool {
        !self.yes && has_terminal()
    }

    /// Asks whether to continue, unless `--yes` is set. `consequence` says what happens then, such as `deletes
    /// a backup`.
    ///
    /// # Errors
    /// The answer is no, there is no terminal, or the command was interrupted.
    pub(crate) async fn confirm(self, session: &Session<'_>, consequence: &str) -> Outcome<()> {
        if self.yes {
            return Ok(());
        }
        require_terminal(consequence)?;
        session.output.question(format!("This {consequence}."));
        let ask = || Confirm::new().with_prompt("Continue?").default(false).interact();
        if answer(session, ask).await? { Ok(()) } else { Err(declined("the answer was no")) }
    }

    /// Asks to type a name, unless `--yes` is set. `consequence` says what happens then, and `noun` what the
    /// name belongs to.
    ///
    /// # Errors
    /// Another name was typed, there is no terminal, or the command was interrupted.
    pub(crate) async fn confirm_by_name(
        self,
        session: &Session<'_>,
        consequence: &str,
        (noun, name): (&'static str, &str),
    ) -> Outcome<()> {
        if self.yes {
            return Ok(());
        }
        require_terminal(consequence)?;
        session.output.question(format!("This {consequence}."));
        let prompt = format!("Type the name of the {noun} to continue");
        let ask = move || Input::<String>::new().with_prompt(prompt).allow_empty(true).interact_text();
        if answer(session, ask).await?.trim() == name {
            Ok(())
        } else {
            Err(declined("the typed name is another one"))
        }
    }
}

fn declined(reason: &str) -> Failure {
    Failure::from(Error::new(ErrorKind::Conflict, format!("nothing was changed, because {reason}")))
}

/// Returns whether somebody can answer a question.
fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Refuses to ask if nobody could answer.
fn require_terminal(consequence: &str) -> Outcome<()> {
    if has_terminal() {
        return Ok(());
    }
    Err(Failure::usage(
        format!("this {consequence}, and there is no terminal on which somebody could confirm it"),
        "add --yes to do it without asking",
    ))
}

/// Asks on a thread of its own, because reading from the terminal cannot be cancelled.
async fn answer<T: Send + 'static>(
    session: &Session<'_>,
    ask: impl FnOnce() -> dialoguer::Result<T> + Send + 'static,
) -> Outcome<T> {
    #[cfg(unix)]
    session.interrupt().begin_hang_up().map_err(|source| {
        Error::with_source(ErrorKind::Internal, "the process cannot wait for signals", source)
    })?;
    let mode = TerminalMode::current();
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || sender.send(ask()));
    let cancel = session.cancel();
    let answered = tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        answered = receiver => answered.ok(),
    };
    drop(mode);
    match answered {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(dialoguer::Error::IO(error))) if error.kind() != io::ErrorKind::Interrupted => {
            Err(Error::with_source(ErrorKind::Internal, "the answer cannot be read", error).into())
        }
        Some(Err(_)) | None => Err(Failure::interrupted()),
    }
}
