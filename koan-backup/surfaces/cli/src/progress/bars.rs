//! Progress bars, one for each entity that is being worked on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use koan_backup_core::provider::SessionIntent;
use koan_backup_core::{Event, SetName};

use super::label::label;
use crate::amounts::{count, count_of, duration, size};
use crate::output::Output;

/// The bars of one operation.
#[derive(Debug)]
pub(super) struct Bars {
    output: Output,
    entries: Mutex<BTreeMap<(String, SetName), Entry>>,
    /// Whether records are only compared, so that no entity is completed.
    is_comparison: AtomicBool,
}

/// The bar of one entity and set.
#[derive(Debug)]
struct Entry {
    bar: ProgressBar,
    phase: Phase,
    bytes: u64,
}

/// What happens to the records of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Read,
    Verified,
    Rewritten,
    Restored,
    Compared,
}

impl Phase {
    fn text(self) -> &'static str {
        match self {
            Self::Read => "records",
            Self::Verified => "records verified",
            Self::Rewritten => "records rewritten",
            Self::Restored => "records written",
            Self::Compared => "records compared",
        }
    }
}

/// The name that the bar of a copied archive has in place of an entity.
const ARCHIVE: &str = "archive";
/// The number of columns of the name of an entity.
const LABEL_WIDTH: usize = 16;

impl Bars {
    pub(super) fn new(output: Output) -> Self {
        Self { output, entries: Mutex::new(BTreeMap::new()), is_comparison: AtomicBool::new(false) }
    }

    /// Draws an event.
    pub(super) fn process(&self, event: &Event) {
        match event {
            Event::RestoreStarted { intent, .. } => {
                self.is_comparison.store(*intent == SessionIntent::Compare, Ordering::Relaxed);
            }
            Event::EntityStarted { entity, set, expected } => self.start(entity, set, *expected),
            Event::VerificationStarted { entity, set, records } => self.start(entity, set, Some(*records)),
            Event::ComparisonStarted { entity, set, records } => {
                self.remove(entity, set);
                self.start(entity, set, Some(*records));
            }
            Event::BlockCompared { entity, set, records } => {
                self.advance(entity, set, *records, Phase::Compared);
            }
            Event::BatchRead { entity, set, records } => self.advance(entity, set, *records, Phase::Read),
            Event::BlockWritten { entity, set, records, bytes } => {
                self.add_bytes(entity, set, *records, *bytes);
            }
            Event::ArchiveCopied { bytes, total, .. } => self.copy(*bytes, *total),
            Event::BlockVerified { entity, set, records } => {
                self.advance(entity, set, *records, Phase::Verified);
            }
            Event::BatchRestored { entity, set, records } => {
                let is_comparison = self.is_comparison.load(Ordering::Relaxed);
                let phase = if is_comparison { Phase::Compared } else { Phase::Restored };
                self.advance(entity, set, *records, phase);
            }
            Event::EntityCompleted { entity, set, records, bytes } => {
                self.remove(entity, set);
                if self.is_comparison.load(Ordering::Relaxed) {
                    return;
                }
                let (label, records) = (label(entity, set), count_of(*records, "record"));
                self.output.note(format!("  {label:LABEL_WIDTH$}  {records}  {}", size(*bytes)));
            }
            Event::EntityFailed { entity, set, error } => {
                self.remove(entity, set);
                self.output.note(format!("  {:LABEL_WIDTH$}  failed: {error}", label(entity, set)));
            }
            _ => {}
        }
    }

    /// Removes all bars.
    pub(super) fn finish(&self) {
        let entries = std::mem::take(&mut *self.entries.lock().unwrap_or_else(PoisonError::into_inner));
        entries.into_values().for_each(|entry| self.clear(&entry.bar));
    }

    fn clear(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.output.bars().remove(bar);
    }

    fn start(&self, entity: &str, set: &SetName, expected: Option<u64>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (entity.to_owned(), set.clone());
        if let Some(known) = entries.get(&key) {
            if let Some(expected) = expected {
                known.bar.set_length(expected);
            }
            return;
        }
        let bar = match expected {
            Some(expected) => ProgressBar::new(expected).with_style(style(Length::Known)),
            None => ProgressBar::no_length().with_style(style(Length::Unknown)),
        };
        let bar = self.output.bars().add(bar.with_prefix(label(entity, set)));
        bar.tick();
        entries.insert(key, Entry { bar, phase: Phase::Read, bytes: 0 });
    }

    fn advance(&self, entity: &str, set: &SetName, records: u64, phase: Phase) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entries.get_mut(&(entity.to_owned(), set.clone())) else { return };
        entry.advance(records, phase);
    }

    /// Draws the bar of an archive that is copied.
    fn copy(&self, bytes: u64, total: u64) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry((ARCHIVE.to_owned(), SetName::root())).or_insert_with(|| {
            let bar = ProgressBar::new(total).with_style(style(Length::Bytes)).with_prefix(ARCHIVE);
            Entry { bar: self.output.bars().add(bar), phase: Phase::Read, bytes: 0 }
        });
        entry.bar.set_message(format!("{} / {}", size(bytes), size(total)));
        entry.bar.set_position(bytes);
        entry.bar.tick();
        if bytes == total
            && let Some(entry) = entries.remove(&(ARCHIVE.to_owned(), SetName::root()))
        {
            self.clear(&entry.bar);
        }
    }

    fn add_bytes(&self, entity: &str, set: &SetName, records: u64, bytes: u64) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entries.get_mut(&(entity.to_owned(), set.clone())) else { return };
        entry.bytes = bytes;
        // A block of a new backup follows the batches of rows that it consists of; a block that is rewritten follows the
        // verification of its archive.
        if entry.phase == Phase::Read {
            entry.describe(entry.bar.position());
        } else {
            entry.advance(records, Phase::Rewritten);
        }
    }

    fn remove(&self, entity: &str, set: &SetName) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.remove(&(entity.to_owned(), set.clone())) {
            self.clear(&entry.bar);
        }
    }
}

impl Entry {
    /// Shows the number of records that were processed in a phase.
    fn advance(&mut self, records: u64, phase: Phase) {
        if self.phase != phase {
            // The records are counted again, and the rate of the earlier phase says nothing about this one.
            self.phase = phase;
            self.bar.reset();
        }
        self.describe(records);
        self.bar.set_position(records);
    }

    /// Writes the counts beside the bar.
    fn describe(&self, records: u64) {
        let of = self.bar.length().map(|length| format!(" / {}", count(length))).unwrap_or_default();
        let bytes = if self.bytes > 0 { format!("  {}", size(self.bytes)) } else { String::new() };
        self.bar.set_message(format!("{}{of} {}{bytes}", count(records), self.phase.text()));
    }
}

/// What a bar counts.
#[derive(Clone, Copy, Debug)]
enum Length {
    /// A known number of records.
    Known,
    /// An unknown number of records.
    Unknown,
    /// A known number of bytes.
    Bytes,
}

fn style(length: Length) -> ProgressStyle {
    let template = match length {
        Length::Known => "  {prefix:16}  {msg}   {bar:26}  {percent:>2} %   {rate}   {left} left",
        Length::Unknown => "  {prefix:16}  {msg}   {rate}",
        Length::Bytes => {
            "  {prefix:16}  {msg}   {bar:26}  {percent:>2} %   {binary_bytes_per_sec}   {left} left"
        }
    };
    let style = ProgressStyle::with_template(template).expect("the template is valid");
    style
        .progress_chars("━╸ ")
        .with_key("rate", |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            // The rate is a positive number; only its integer part is shown.
            let rate = format!("{:.0}", state.per_sec()).parse().unwrap_or(0);
            let _ = write!(text, "{}/s", count(rate));
        })
        .with_key("left", |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            let _ = match state.eta() {
                left if left < Duration::from_secs(60) => write!(text, "{} s", left.as_secs()),
                left => write!(text, "{}", duration(left)),
            };
        })
}
