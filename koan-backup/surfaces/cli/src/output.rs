//! Standard output and error output.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use console::Style;
use indicatif::{MultiProgress, ProgressDrawTarget};
use jiff::tz::TimeZone;
use koan_backup_core::{Error, ErrorKind};
use serde::Serialize;

use crate::flag_text::with_flags;

/// The flags about output, which every command has.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct OutputArgs {
    /// Print JSON for programs
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Show times in UTC instead of local time
    #[arg(long, help_heading = "Output")]
    utc: bool,
}

/// For whom the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text for people.
    Text,
    /// JSON for programs.
    Json,
}

/// Writes to standard output and error output. It is cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Output(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    format: Format,
    zone: TimeZone,
    bars: MultiProgress,
    /// The first error of standard output. Nothing is written after it.
    fault: Mutex<Option<io::Error>>,
}

/// A line of JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<T> {
    message_type: &'static str,
    #[serde(flatten)]
    body: T,
}

#[derive(Serialize)]
struct Warning<'a> {
    message: &'a str,
}

impl OutputArgs {
    /// Returns the flags with `--json`.
    pub(crate) fn for_programs() -> Self {
        Self { json: true, utc: false }
    }

    /// Returns whether `--json` is set.
    pub(crate) fn format(self) -> Format {
        if self.json { Format::Json } else { Format::Text }
    }

    fn zone(self) -> TimeZone {
        if self.utc { TimeZone::UTC } else { TimeZone::system() }
    }
}

impl Output {
    /// Creates the output of a command.
    pub(crate) fn new(arguments: OutputArgs) -> Self {
        let format = arguments.format();
        let target = match format {
            Format::Text => ProgressDrawTarget::stderr(),
            Format::Json => ProgressDrawTarget::hidden(),
        };
        let bars = MultiProgress::with_draw_target(target);
        Self(Arc::new(Shared { format, zone: arguments.zone(), bars, fault: Mutex::new(None) }))
    }

    /// Returns whether the output is JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.0.format == Format::Json
    }

    /// Returns the time zone in which times are shown.
    pub(crate) fn zone(&self) -> &TimeZone {
        &self.0.zone
    }

    /// Returns the progress bars, which are drawn only on a terminal.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.0.bars
    }

    /// Returns the number of columns of the terminal, or `None` if standard output is not a terminal.
    pub(crate) fn width(&self) -> Option<u16> {
        let terminal = console::Term::stdout();
        terminal.features().is_attended().then(|| terminal.size_checked()).flatten().map(|(_, width)| width)
    }

    /// Returns whether error output is a terminal, which shows progress bars.
    pub(crate) fn shows_bars(&self) -> bool {
        self.0.format == Format::Text && io::stderr().is_terminal()
    }

    /// Writes a line of text to standard output, without its control characters.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        self.write(printable(text.as_ref()).as_bytes());
    }

    /// Writes a value as one line of JSON to standard output.
    pub(crate) fn json(&self, value: &impl Serialize) {
        match serde_json::to_vec(value) {
            Ok(line) => self.write(&line),
            Err(error) => self.set_fault(error.into()),
        }
    }

    /// Writes bytes to standard output.
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        self.write_all(&[bytes]);
    }

    /// Writes a line of text to error output, without its control characters. It is not written if the output is
    /// JSON.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        if !self.is_json() {
            self.question(text);
        }
    }

    /// Writes the line before a question to error output, without its control characters. It is also written if the
    /// output is JSON, because a person answers the question.
    pub(crate) fn question(&self, text: impl AsRef<str>) {
        self.error_line(printable(text.as_ref()).as_bytes());
    }

    /// Writes a line with a label, such as `warning`, to error output, without the control characters of the text.
    /// It is not written if the output is JSON.
    pub(crate) fn labelled(&self, label: &str, text: &str) {
        if self.is_json() {
            return;
        }
        let style = match label {
            "error" => Style::new().red().bold(),
            "warning" => Style::new().yellow().bold(),
            _ => Style::new().bold(),
        };
        // Labels below the first one are indented, so that the colons are in one column.
        let indent = if label == "help" { "  " } else { "" };
        let label = style.for_stderr().apply_to(format!("{label}:"));
        self.error_line(format!("{indent}{label} {}", printable(&with_flags(text))).as_bytes());
    }

    /// Writes a warning to error output.
    pub(crate) fn warning(&self, text: &str) {
        match self.0.format {
            Format::Text => self.labelled("warning", text),
            Format::Json => self.error_json(&Message {
                message_type: "warning",
                body: Warning { message: &with_flags(text) },
            }),
        }
    }

    /// Writes one of the messages of a command that runs: a line of JSON with its type.
    pub(crate) fn message(&self, message_type: &'static str, body: impl Serialize) {
        self.json(&Message { message_type, body });
    }

    /// Writes a value as one line of JSON to error output.
    pub(crate) fn error_json(&self, value: &impl Serialize) {
        if let Ok(line) = serde_json::to_vec(value) {
            self.error_line(&line);
        }
    }

    fn error_line(&self, line: &[u8]) {
        let written = self.0.bars.suspend(|| {
            let mut error_output = io::stderr().lock();
            error_output.write_all(line)?;
            error_output.write_all(b"\n")
        });
        // There is nowhere else to report that error output cannot be written.
        drop(written);
    }

    fn write(&self, line: &[u8]) {
        self.write_all(&[line, b"\n"]);
    }

    fn write_all(&self, parts: &[&[u8]]) {
        let mut fault = self.0.fault.lock().unwrap_or_else(PoisonError::into_inner);
        if fault.is_some() {
            return;
        }
        let written = self.0.bars.suspend(|| {
            let mut output = io::stdout().lock();
            parts.iter().try_for_each(|part| output.write_all(part))?;
            output.flush()
        });
        *fault = written.err();
    }

    fn set_fault(&self, error: io::Error) {
        *self.0.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// Returns whether standard output cannot be written, so that more output has no effect.
    pub(crate) fn has_fault(&self) -> bool {
        self.0.fault.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Returns the error of standard output, if it could not be written. A reader that closed the pipe, such as
    /// `head`, is not an error.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        match self.0.fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::with_source(
                ErrorKind::Storage,
                "the result cannot be written to standard output",
                error,
            )),
            _ => Ok(()),
        }
    }
}

/// Returns a text without control characters, which could move the cursor, change colours, or begin another line.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
