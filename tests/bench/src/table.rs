//! The table of results, in Markdown.

use std::fmt;
use std::ops::Div;
use std::time::Duration;

use crate::measured::Measured;

/// A table of rows under headings.
#[derive(Debug, Default)]
pub(crate) struct Table {
    lines: Vec<[String; 5]>,
}

impl Table {
    /// Adds a heading for the rows that follow.
    pub(crate) fn heading(&mut self, text: &str) {
        self.row(&format!("**{text}**"), "", "", "", "");
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, operation: &str, ours: &str, peer: &str, ratio: &str, goal: &str) {
        self.lines.push([operation, ours, peer, ratio, goal].map(str::to_owned));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["work", "koan-backup", "peer", "ratio", "goal"].map(str::to_owned);
        let all: Vec<_> = std::iter::once(&head).chain(&self.lines).collect();
        let width =
            |column: usize| all.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
        let widths = [0, 1, 2, 3, 4].map(width);
        for (index, line) in all.iter().enumerate() {
            for (cell, width) in line.iter().zip(widths) {
                write!(f, "| {cell:<width$} ")?;
            }
            writeln!(f, "|")?;
            if index == 0 {
                widths.iter().try_for_each(|width| write!(f, "|{:-<1$}", "", width + 2))?;
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}

impl Table {
    /// Adds two rows that compare koan-backup with the other tool: one for the wall-clock time, one for the
    /// processor time.
    pub(crate) fn against(&mut self, operation: &str, ours: &Measured, peer: &Measured, goal: &str) {
        let compare = |ours: Duration, peer: Duration| {
            (seconds(ours), seconds(peer), format!("{:.2} ×", ratio(ours, peer)))
        };
        let (our_time, peer_time, share) = compare(ours.wall, peer.wall);
        self.row(operation, &our_time, &peer_time, &share, goal);
        let (our_time, peer_time, share) = compare(ours.processor, peer.processor);
        self.row("  processor time", &our_time, &peer_time, &share, "");
    }
}

/// Formats a duration, for example `1.23 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// Formats a size, for example `12.3 MB`.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes.figure() / 1e6)
}

/// Formats the records and the bytes of JSON per second.
pub(crate) fn rate(measured: &Measured) -> String {
    let seconds = measured.wall.as_secs_f64();
    let (records, bytes) = (measured.records.figure() / seconds, measured.json_bytes.figure() / seconds);
    format!("{} records/s, {:.0} MB/s", thousands(&format!("{records:.0}")), bytes / 1e6)
}

/// Formats a number, for example `1,500,000`.
pub(crate) fn count(number: u64) -> String {
    thousands(&number.to_string())
}

/// Returns `a` divided by `b`.
pub(crate) fn ratio<T: Figure>(a: T, b: T) -> f64 {
    a.figure().div(b.figure())
}

/// A value that is converted to a floating-point number for display, which may round it.
pub(crate) trait Figure {
    /// Returns the value as a floating-point number.
    fn figure(self) -> f64;
}

impl Figure for u64 {
    #[expect(clippy::cast_precision_loss, reason = "the number is displayed with three digits")]
    fn figure(self) -> f64 {
        self as f64
    }
}

impl Figure for Duration {
    fn figure(self) -> f64 {
        self.as_secs_f64()
    }
}

/// Separates the digits of a number in groups of three.
fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
