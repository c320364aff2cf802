//! The progress of single backups and restores of event streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use koan_backup_core::streams::{BulkProgress, StreamProgress};
use serde::Serialize;

use crate::amounts::{count, count_of};
use crate::output::Output;

/// Shows the progress of one operation: a bar on a terminal, lines of a log elsewhere, or messages in JSON.
#[derive(Clone, Debug)]
pub(crate) struct StreamsProgress(Arc<Shown>);

#[derive(Debug)]
enum Shown {
    Bar(ProgressBar, Output),
    /// The lines, with the percentage of the last one.
    Lines(AtomicU64, Output),
    Messages(Output),
}

/// The events of one aggregate in JSON.
#[derive(Serialize)]
struct Events<'a> {
    #[serde(flatten)]
    progress: &'a StreamProgress,
    percent: f64,
}

impl StreamsProgress {
    /// Begins to show the progress of an operation.
    pub(crate) fn new(output: &Output) -> Self {
        let output = output.clone();
        Self(Arc::new(if output.is_json() {
            Shown::Messages(output)
        } else if output.shows_bars() {
            let style = ProgressStyle::with_template("  {msg}   {bar:26}  {percent:>2} %")
                .expect("the template is valid")
                .progress_chars("━╸ ");
            Shown::Bar(output.bars().add(ProgressBar::no_length().with_style(style)), output)
        } else {
            Shown::Lines(AtomicU64::new(0), output)
        }))
    }

    /// Returns the callback of an operation on one aggregate.
    pub(crate) fn events(&self) -> impl Fn(&StreamProgress) + Send + Sync + 'static {
        let shown = Arc::clone(&self.0);
        move |progress| match shown.as_ref() {
            Shown::Bar(bar, _) => {
                let (events, total) = (count(progress.events), count_of(progress.total_events, "event"));
                draw(bar, (progress.events, progress.total_events), format!("{events} / {total}"));
            }
            // The result is the only line of one aggregate.
            Shown::Lines(..) => {}
            Shown::Messages(output) => {
                output.message("progress", Events { progress, percent: progress.percent() });
            }
        }
    }

    /// Returns the callback of an operation on several aggregates.
    pub(crate) fn aggregates(&self) -> impl Fn(&BulkProgress) + Send + Sync + 'static {
        let shown = Arc::clone(&self.0);
        move |progress| {
            let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
            let (processed, total) = (number(progress.processed), number(progress.total));
            let text = || {
                let failed = match number(progress.failed) {
                    0 => String::new(),
                    failed => format!(", {} failed", count(failed)),
                };
                format!("{} / {}{failed}", count(processed), count_of(total, "aggregate"))
            };
            match shown.as_ref() {
                Shown::Bar(bar, _) => draw(bar, (processed, total), text()),
                Shown::Lines(last, output) => {
                    let percent = processed.saturating_mul(100).checked_div(total).unwrap_or(100);
                    // A large number of aggregates has at most 100 lines.
                    if last.fetch_max(percent, Ordering::Relaxed) < percent {
                        output.note(format!("  {}", text()));
                    }
                }
                Shown::Messages(output) => output.message("aggregate", progress),
            }
        }
    }

    /// Removes the bar. It is called when the operation has ended, before its result is written.
    pub(crate) fn finish(&self) {
        if let Shown::Bar(bar, output) = self.0.as_ref() {
            bar.finish_and_clear();
            output.bars().remove(bar);
        }
    }
}

fn draw(bar: &ProgressBar, (position, length): (u64, u64), text: String) {
    bar.set_length(length);
    bar.set_message(text);
    bar.set_position(position);
    bar.tick();
}
