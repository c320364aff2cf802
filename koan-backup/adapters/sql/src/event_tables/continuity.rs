//! Checks that the versions of the events that are read have neither gaps nor duplicates.

use koan_backup_core::{Error, ErrorKind, Result};

/// The check of events that are read in the order of their object ids and versions.
#[derive(Clone, Debug)]
pub struct Continuity {
    object: String,
    last: Option<(String, u64)>,
}

impl Continuity {
    /// Begins the check of events with this object name.
    pub fn new(object: impl Into<String>) -> Self {
        Self { object: object.into(), last: None }
    }

    /// Returns the object id and the version of the last event.
    pub fn last(&self) -> Option<(&str, u64)> {
        self.last.as_ref().map(|(object_id, version)| (object_id.as_str(), *version))
    }

    /// Adds the next event.
    ///
    /// # Errors
    /// The version does not follow that of the previous event of the aggregate, or is not 0 for its first event. The
    /// error contains the object name, the object id and the version.
    pub fn add(&mut self, object_id: &str, version: u64) -> Result<()> {
        let previous = match &mut self.last {
            Some((last_id, last)) if last_id == object_id => Some(std::mem::replace(last, version)),
            last => {
                *last = Some((object_id.to_owned(), version));
                None
            }
        };
        let expected = previous.map_or(Some(0), |previous| previous.checked_add(1));
        if expected == Some(version) {
            return Ok(());
        }
        let stream = format!("{} `{object_id}`", self.object);
        let (what, remedy) = match previous {
            Some(previous) if previous == version => (
                format!("{stream} has two events with version {version}"),
                "remove one of them, and add a unique index over the object name, the object id and the version",
            ),
            Some(previous) => (
                format!("{stream} has no event between the versions {previous} and {version}"),
                "restore the missing events from a backup",
            ),
            None => (
                format!("{stream} begins with version {version} instead of 0"),
                "restore the missing events from a backup, or correct the first version in `version_column`",
            ),
        };
        Err(Error::new(ErrorKind::Record, format!("{what}, so the stream is damaged")).with_help(remedy))
    }

    /// Ends the check of one stream.
    ///
    /// # Errors
    /// The last event is not the event with this version.
    pub fn require_end(&self, object_id: &str, version: Option<u64>) -> Result<()> {
        let last = self.last.as_ref().map(|(_, version)| *version);
        if last == version {
            return Ok(());
        }
        let described =
            |version: Option<u64>| version.map_or("no event".to_owned(), |v| format!("version {v}"));
        Err(Error::new(
            ErrorKind::Provider,
            format!(
                "{} `{object_id}` was opened at {}, but reading it ended with {}",
                self.object,
                described(version),
                described(last)
            ),
        )
        .with_help("check the database for damaged indexes, then read the stream again"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(events: &[(&str, u64)]) -> Result<()> {
        let mut continuity = Continuity::new("order");
        events.iter().try_for_each(|(object_id, version)| continuity.add(object_id, *version))
    }

    #[test]
    fn a_gap_and_a_duplicate_are_named_and_a_new_aggregate_begins_at_0() {
        check(&[("a", 0), ("a", 1), ("b", 0), ("c", 0), ("c", 1)]).expect("no gaps");
        for (events, expected) in [
            (&[("a", 0), ("a", 2)][..], "between the versions 0 and 2"),
            (&[("a", 0), ("a", 1), ("a", 1)], "two events with version 1"),
            (&[("a", 0), ("b", 1)], "order `b` begins with version 1"),
            (&[("a", 0), ("a", 1), ("a", 0)], "between the versions 1 and 0"),
        ] {
            let error = check(events).expect_err("the versions are not continuous").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_stream_that_ends_early_is_an_error() {
        let mut continuity = Continuity::new("order");
        continuity.require_end("a", None).expect("the stream has no events");
        continuity.add("a", 0).expect("the first event");
        continuity.require_end("a", Some(0)).expect("all events were read");
        assert!(continuity.require_end("a", Some(1)).is_err(), "an event is missing");
    }
}
