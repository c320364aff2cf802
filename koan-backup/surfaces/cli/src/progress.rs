//! The progress of an operation: bars on a terminal, lines of a log elsewhere, or messages in JSON.

mod bars;
mod label;
mod lines;
mod messages;
mod streams;

use std::sync::Arc;

use koan_backup_core::Event;

use crate::output::Output;
use bars::Bars;
use lines::Lines;
pub(crate) use streams::StreamsProgress;

/// Shows the progress of one operation.
#[derive(Clone, Debug)]
pub(crate) struct Progress(Arc<Shown>);

#[derive(Debug)]
enum Shown {
    Bars(Bars),
    Lines(Lines),
    Messages(Output),
}

impl Progress {
    /// Begins to show the progress of an operation.
    pub(crate) fn new(output: &Output) -> Self {
        Self(Arc::new(if output.is_json() {
            Shown::Messages(output.clone())
        } else if output.shows_bars() {
            Shown::Bars(Bars::new(output.clone()))
        } else {
            Shown::Lines(Lines::new(output.clone()))
        }))
    }

    /// Returns the listener of the operation.
    pub(crate) fn listener(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let shown = Arc::clone(&self.0);
        move |event| match shown.as_ref() {
            Shown::Bars(bars) => bars.process(event),
            Shown::Lines(lines) => lines.process(event),
            Shown::Messages(output) => messages::process(output, event),
        }
    }

    /// Removes the bars. It is called when the operation has ended, before its result is written.
    pub(crate) fn finish(&self) {
        if let Shown::Bars(bars) = self.0.as_ref() {
            bars.finish();
        }
    }
}
