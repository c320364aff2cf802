//! The order of the records of event streams: by object id, by stream, and by version without gaps.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;

use crate::entity::codec::RecordError;
use crate::entity::stream::{StreamDocument, StreamEvent, StreamPart, StreamSnapshot};

/// The position of a record of event streams: its aggregate, its stream and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordPosition {
    pub(crate) object_id: String,
    /// The id of the stream and the version. `None` for a document.
    pub(crate) in_stream: Option<(String, u64)>,
}

/// The fields of a line that determine the position of its record.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PositionFields<'l> {
    #[serde(borrow)]
    object_id: Cow<'l, str>,
    #[serde(borrow, default)]
    stream_id: Option<Cow<'l, str>>,
    #[serde(default)]
    version: Option<u64>,
}

impl RecordPosition {
    /// Returns the position of the record in a line.
    ///
    /// # Errors
    /// The line is not a record of this part.
    pub(crate) fn of_line(line: &[u8], part: StreamPart) -> Result<Self, RecordError> {
        let fields: PositionFields<'_> = serde_json::from_slice(line)
            .map_err(|_| RecordError::new("has no object id, stream id and version"))?;
        let in_stream = match (part, fields.stream_id, fields.version) {
            (StreamPart::Documents, ..) => None,
            (_, Some(stream_id), Some(version)) => Some((stream_id.into_owned(), version)),
            _ => return Err(RecordError::new("has no stream id and version")),
        };
        Ok(Self { object_id: fields.object_id.into_owned(), in_stream })
    }
}

impl From<&StreamEvent> for RecordPosition {
    fn from(event: &StreamEvent) -> Self {
        Self { object_id: event.object_id.clone(), in_stream: Some((event.stream_id.clone(), event.version)) }
    }
}

impl From<&StreamSnapshot> for RecordPosition {
    fn from(snapshot: &StreamSnapshot) -> Self {
        Self {
            object_id: snapshot.object_id.clone(),
            in_stream: Some((snapshot.stream_id.clone(), snapshot.version)),
        }
    }
}

impl From<&StreamDocument> for RecordPosition {
    fn from(document: &StreamDocument) -> Self {
        Self { object_id: document.object_id.clone(), in_stream: None }
    }
}

/// A fault of the order of records. Its text contains ids, so it must not be shown for encrypted records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderFault {
    object_id: String,
    problem: String,
}

impl OrderFault {
    /// Returns the text for an error. The object id and the stream id are content of an encrypted record.
    pub(crate) fn text(&self, shows_ids: bool) -> String {
        let id = if shows_ids { self.object_id.as_str() } else { "(hidden)" };
        format!("`{id}`: {}", self.problem)
    }
}

/// Checks the order of consecutive records of one part.
///
/// The records of one block can be checked separately from those of other blocks: two checks of consecutive records are
/// [joined](Self::join).
#[derive(Clone, Debug)]
pub(crate) struct OrderCheck {
    part: StreamPart,
    first: Option<RecordPosition>,
    last: Option<RecordPosition>,
    /// The streams of the first aggregate, and of the last one. They are equal if there is only one aggregate.
    first_streams: BTreeSet<String>,
    last_streams: BTreeSet<String>,
    starts: Start,
    pub(crate) fault: Option<OrderFault>,
}

/// Whether the first checked record is the first one of its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    OfPart,
    Within,
}

impl OrderCheck {
    pub(crate) fn new(part: StreamPart, starts: Start) -> Self {
        Self {
            part,
            first: None,
            last: None,
            first_streams: BTreeSet::new(),
            last_streams: BTreeSet::new(),
            starts,
            fault: None,
        }
    }

    pub(crate) fn part(&self) -> StreamPart {
        self.part
    }

    /// Checks the next record. Only the first fault is kept.
    pub(crate) fn push(&mut self, next: RecordPosition) {
        if self.fault.is_some() {
            return;
        }
        let problem = match &self.last {
            None if self.starts == Start::OfPart => self.new_stream_problem(&next),
            None => None,
            Some(last) => self.problem_between(last, &next, &self.last_streams),
        };
        if let Some(problem) = problem {
            self.fault = Some(OrderFault { object_id: next.object_id, problem });
            return;
        }
        let is_same_object = self.last.as_ref().is_none_or(|last| last.object_id == next.object_id);
        let is_first_object = self.first.as_ref().is_none_or(|first| first.object_id == next.object_id);
        if !is_same_object {
            self.last_streams.clear();
        }
        if let Some((stream_id, _)) = &next.in_stream
            && !self.last_streams.contains(stream_id)
        {
            self.last_streams.insert(stream_id.clone());
            if is_first_object {
                self.first_streams.insert(stream_id.clone());
            }
        }
        if self.first.is_none() {
            self.first = Some(next.clone());
        }
        self.last = Some(next);
    }

    /// Adds the check of the records that follow.
    pub(crate) fn join(&mut self, next: Self) {
        if self.fault.is_some() {
            return;
        }
        let Some(next_first) = &next.first else {
            self.fault = next.fault;
            return;
        };
        let problem = match &self.last {
            None if self.starts == Start::OfPart => self.new_stream_problem(next_first),
            None => None,
            Some(last) => self.problem_between(last, next_first, &self.last_streams).or_else(|| {
                let stream =
                    |position: &RecordPosition| position.in_stream.as_ref().map(|(id, _)| id.clone());
                let continued = stream(last).filter(|id| Some(id) == stream(next_first).as_ref());
                let is_repeated = |stream: &&String| {
                    Some(*stream) != continued.as_ref() && self.last_streams.contains(*stream)
                };
                (last.object_id == next_first.object_id).then(|| {
                    next.first_streams.iter().find(is_repeated).map(|_| REPEATED_STREAM.to_owned())
                })?
            }),
        };
        if let Some(problem) = problem {
            self.fault = Some(OrderFault { object_id: next_first.object_id.clone(), problem });
            return;
        }
        let has_one_object = |check: &Self| match (&check.first, &check.last) {
            (Some(first), Some(last)) => first.object_id == last.object_id,
            _ => true,
        };
        let continues = self.last.as_ref().is_some_and(|last| last.object_id == next_first.object_id);
        let is_first_object = self.first.as_ref().is_none_or(|first| first.object_id == next_first.object_id);
        if is_first_object {
            self.first_streams.extend(next.first_streams.iter().cloned());
        }
        if !(continues && has_one_object(&next)) {
            self.last_streams.clear();
        }
        self.last_streams.extend(next.last_streams);
        self.first = self.first.take().or(next.first);
        self.last = next.last;
        self.fault = next.fault;
    }

    /// Returns the problem of a record that begins a stream.
    fn new_stream_problem(&self, next: &RecordPosition) -> Option<String> {
        match (&next.in_stream, self.part) {
            (Some((_, version)), StreamPart::Events) if *version > 0 => {
                Some(format!("its first event has version {version} and not 0, so events are missing"))
            }
            _ => None,
        }
    }

    fn problem_between(
        &self,
        last: &RecordPosition,
        next: &RecordPosition,
        known_streams: &BTreeSet<String>,
    ) -> Option<String> {
        if next.object_id < last.object_id {
            return Some("its records are not in the order of object ids".to_owned());
        }
        if next.object_id != last.object_id {
            return self.new_stream_problem(next);
        }
        let (Some((last_stream, last_version)), Some((stream, version))) = (&last.in_stream, &next.in_stream)
        else {
            return Some("it has two documents".to_owned());
        };
        if stream != last_stream {
            return match known_streams.contains(stream) {
                true => Some(REPEATED_STREAM.to_owned()),
                false => self.new_stream_problem(next),
            };
        }
        match (version.cmp(last_version), self.part) {
            (std::cmp::Ordering::Equal, _) => Some(format!("version {version} occurs twice")),
            (std::cmp::Ordering::Less, _) => {
                Some(format!("version {version} follows version {last_version}, which is a wrong order"))
            }
            (_, StreamPart::Events) if *version != last_version + 1 => {
                Some(format!("version {version} follows version {last_version}, so events are missing"))
            }
            _ => None,
        }
    }
}

const REPEATED_STREAM: &str = "the records of one of its streams are not next to each other";

#[cfg(test)]
mod tests {
    use super::*;

    fn position((object, stream, version): &(&str, &str, u64)) -> RecordPosition {
        RecordPosition { object_id: (*object).to_owned(), in_stream: Some(((*stream).to_owned(), *version)) }
    }

    /// Checks the records at once, and in two parts at every position.
    fn fault(part: StreamPart, records: &[(&str, &str, u64)]) -> Option<String> {
        let check = |records: &[(&str, &str, u64)], starts| {
            let mut check = OrderCheck::new(part, starts);
            records.iter().for_each(|record| check.push(position(record)));
            check
        };
        let text = |check: &OrderCheck| check.fault.as_ref().map(|fault| fault.text(true));
        let whole = text(&check(records, Start::OfPart));
        for first_end in 0..=records.len() {
            for second_end in first_end..=records.len() {
                let mut joined = check(&records[..first_end], Start::OfPart);
                joined.join(check(&records[first_end..second_end], Start::Within));
                joined.join(check(&records[second_end..], Start::Within));
                assert_eq!(
                    text(&joined).is_some(),
                    whole.is_some(),
                    "{records:?} divided at {first_end} and {second_end}"
                );
            }
        }
        whole
    }

    #[test]
    fn a_gap_a_duplicate_and_a_wrong_order_are_found_wherever_the_records_are_divided() {
        let events = |records: &[(&str, &str, u64)]| fault(StreamPart::Events, records);
        assert_eq!(events(&[]), None);
        assert_eq!(
            events(&[("a", "a", 0), ("a", "a", 1), ("b", "t", 0), ("b", "u", 0), ("b", "u", 1)]),
            None
        );
        for (records, problem) in [
            (vec![("a", "a", 1)], "first event has version 1"),
            (vec![("a", "a", 0), ("a", "a", 2)], "so events are missing"),
            (vec![("a", "a", 0), ("a", "a", 0)], "occurs twice"),
            (vec![("a", "a", 0), ("a", "a", 1), ("a", "a", 0)], "wrong order"),
            (vec![("b", "b", 0), ("a", "a", 0)], "not in the order of object ids"),
            (vec![("a", "a", 0), ("b", "b", 1)], "first event has version 1"),
            (vec![("a", "s", 0), ("a", "t", 0), ("a", "s", 1)], "not next to each other"),
            (vec![("a", "s", 0), ("a", "t", 0), ("a", "t", 1), ("a", "s", 0)], "not next to each other"),
            (vec![("a", "s", 0), ("a", "t", 2)], "first event has version 2"),
        ] {
            let found = events(&records).unwrap_or_default();
            assert!(found.contains(problem), "{records:?}: {found}");
        }
    }

    #[test]
    fn snapshots_ascend_and_may_have_gaps() {
        let snapshots = |records: &[(&str, &str, u64)]| fault(StreamPart::Snapshots, records);
        assert_eq!(snapshots(&[("a", "a", 4), ("a", "a", 9), ("b", "b", 3)]), None);
        assert!(snapshots(&[("a", "a", 9), ("a", "a", 4)]).is_some());
        assert!(snapshots(&[("a", "a", 9), ("a", "a", 9)]).is_some());
    }

    #[test]
    fn an_aggregate_has_one_document() {
        let mut check = OrderCheck::new(StreamPart::Documents, Start::OfPart);
        for id in ["a", "b", "b"] {
            check.push(RecordPosition { object_id: id.to_owned(), in_stream: None });
        }
        assert_eq!(
            check.fault.map(|fault| fault.text(false)).as_deref(),
            Some("`(hidden)`: it has two documents")
        );
    }
}
