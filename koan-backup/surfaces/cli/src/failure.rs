//! The error of a command, as people and programs read it.

use std::error::Error as StdError;

use koan_backup_core::{Error, ErrorKind};
use serde::Serialize;

use crate::exit::Exit;
use crate::flag_text::with_flags;
use crate::output::Output;

/// The error of a command.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Error,
    /// The remedy in terms of the command line, instead of the remedy of the error.
    help: Option<String>,
}

/// The result of a command or of a part of it.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, help: None }
    }
}

impl Failure {
    /// Creates the error of a command line that cannot be executed.
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        let error = Error::new(ErrorKind::Configuration, message.into());
        Self { error, help: Some(help.into()) }
    }

    /// Creates the error of a command that was interrupted.
    pub(crate) fn interrupted() -> Self {
        Error::cancelled().into()
    }

    /// Sets the remedy in terms of the command line.
    pub(crate) fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Returns whether the error has this kind.
    pub(crate) fn is(&self, kind: ErrorKind) -> bool {
        self.error.kind() == kind
    }

    /// Returns the error.
    pub(crate) fn error(&self) -> &Error {
        &self.error
    }

    /// Returns the remedy.
    pub(crate) fn help(&self) -> Option<&str> {
        self.help.as_deref().or_else(|| self.error.help())
    }

    /// Returns how a command ends that returns this error.
    pub(crate) fn exit(&self) -> Exit {
        Exit::of(self.error.kind())
    }

    fn message(&self) -> ErrorMessage {
        ErrorMessage {
            message_type: "error",
            exit_code: self.exit().code(),
            kind: kind_name(self.error.kind()),
            message: with_flags(self.error.message()).into_owned(),
            causes: causes(&self.error).iter().map(|cause| with_flags(cause).into_owned()).collect(),
            help: self.help.clone().or_else(|| self.error.help().map(|help| with_flags(help).into_owned())),
        }
    }

    /// Writes the error to the error output.
    pub(crate) fn report(&self, output: &Output) {
        let message = self.message();
        if output.is_json() {
            output.error_json(&message);
            return;
        }
        output.labelled("error", &message.message);
        for cause in &message.causes {
            output.labelled("caused by", cause);
        }
        if let Some(help) = &message.help {
            output.labelled("help", help);
        }
    }
}

/// An error in JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorMessage {
    message_type: &'static str,
    exit_code: u8,
    kind: &'static str,
    message: String,
    causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

/// Returns the messages of the sources of an error, without those that a message before them contains.
pub(crate) fn causes(error: &Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = match cause.downcast_ref::<Error>() {
            Some(cause) => cause.message().to_owned(),
            None => cause.to_string(),
        };
        let previous = causes.last().map_or(error.message(), String::as_str);
        if !previous.ends_with(&text) {
            causes.push(text);
        }
        source = cause.source();
    }
    causes
}

/// Returns the name of a kind of errors in JSON.
fn kind_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Configuration => "configuration",
        ErrorKind::Inventory => "inventory",
        ErrorKind::InvalidName => "invalidName",
        ErrorKind::NotFound => "notFound",
        ErrorKind::Corrupt => "corrupt",
        ErrorKind::Incompatible => "incompatible",
        ErrorKind::Record => "record",
        ErrorKind::Provider => "provider",
        ErrorKind::Storage => "storage",
        ErrorKind::Busy => "busy",
        ErrorKind::Conflict => "conflict",
        ErrorKind::Constraint => "constraint",
        ErrorKind::Encryption => "encryption",
        ErrorKind::Cancelled => "cancelled",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::Internal => "internal",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_causes_of_an_error_are_listed_once_and_without_its_remedy() {
        let disk = Error::new(ErrorKind::Storage, "no space left").with_help("delete a file");
        let written = disk.context("archive `a.zip` was not written: no space left");
        let failure = Failure::from(written.context("backup `nightly` failed"));
        let message = failure.message();
        assert_eq!(message.message, "backup `nightly` failed");
        assert_eq!(message.causes, ["archive `a.zip` was not written: no space left"]);
        assert_eq!(message.help.as_deref(), Some("delete a file"));
        let replaced = failure.with_help("free some space").message();
        assert_eq!(replaced.help.as_deref(), Some("free some space"));
    }
}
