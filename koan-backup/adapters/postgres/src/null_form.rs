//! Records which `null`s of a record were JSON `null` in the database and not NULL.
//!
//! A record contains `null` for both. An archive therefore records, for each column with JSON `null`, a form
//! for each run of records. A form lists the JSON `null`s among all `null`s of a value, counted from 0: `""`
//! means NULL, `"0"` means JSON `null`, and `"1,3-5"` is a list in which the second and the fourth to sixth
//! `null` are JSON `null`.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// The maximum number of runs that are recorded for a column. A backup refuses a column with more runs.
const MAX_RUNS: usize = 1 << 20;
/// The maximum total length of the distinct forms of a column. A backup refuses a column with longer forms.
const MAX_FORM_BYTES: usize = 8 << 20;

/// The forms of one column, as an archive records them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct NullForms {
    pub(super) forms: Vec<String>,
    /// Runs as `form*count`, separated by spaces, in the order of the records. Empty if all records have the
    /// first form.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) runs: String,
}

/// The recorded forms of all columns, which are stored in the archive.
#[derive(Debug, Default)]
pub(super) struct RecordedNulls {
    /// The forms by the name of the field, or of the column of a flattened map.
    pub(super) forms: BTreeMap<String, NullForms>,
    /// Descriptions of the values that another kind of database cannot store.
    pub(super) not_kept_elsewhere: Vec<String>,
}

/// Records the forms of one column while it is read.
#[derive(Debug, Default)]
pub(super) struct NullRecorder {
    /// The form of the current run; `None` until a value contains a `null`.
    current: Option<usize>,
    /// The number of records in the current run.
    length: u64,
    forms: Vec<String>,
    known: HashMap<String, usize>,
    form_bytes: usize,
    runs: Vec<(usize, u64)>,
    exceeds_limits: bool,
}

/// The error for a column whose forms change too often or are too long to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyForms;

impl NullRecorder {
    /// Returns whether the forms change too often or are too long, so that they are not completely recorded.
    pub(super) fn exceeds_limits(&self) -> bool {
        self.exceeds_limits
    }

    /// Adds a record whose value has no `null`.
    #[inline]
    pub(super) fn record_without_null(&mut self) {
        self.length += 1;
    }

    /// Adds a record with this form.
    #[inline]
    pub(super) fn record(&mut self, form: &str) {
        match self.current {
            Some(current) if self.forms[current] == form => {}
            _ => self.change(form),
        }
        self.length += 1;
    }

    /// Ends the current run, and begins a run with another form.
    fn change(&mut self, form: &str) {
        if let Some(current) = self.current {
            self.end_run(current);
        }
        let known = self.known.get(form).copied();
        self.current = known.or_else(|| {
            self.form_bytes += form.len();
            if self.form_bytes > MAX_FORM_BYTES {
                self.exceeds_limits = true;
                return self.current;
            }
            self.forms.push(form.to_owned());
            self.known.insert(form.to_owned(), self.forms.len() - 1);
            Some(self.forms.len() - 1)
        });
    }

    /// Ends the current run.
    fn end_run(&mut self, current: usize) {
        match self.runs.len() < MAX_RUNS {
            true => self.runs.push((current, self.length)),
            false => self.exceeds_limits = true,
        }
        self.length = 0;
    }

    /// Returns the recorded forms, or `None` if no value contained JSON `null`.
    ///
    /// # Errors
    /// Returns [`TooManyForms`] if the forms changed too often or were too long.
    pub(super) fn finish(mut self) -> Result<Option<NullForms>, TooManyForms> {
        if let Some(current) = self.current.take() {
            self.end_run(current);
        }
        if self.exceeds_limits {
            return Err(TooManyForms);
        }
        if self.forms.iter().all(String::is_empty) {
            return Ok(None);
        }
        let runs = match self.runs.len() {
            1 => String::new(),
            _ => {
                let runs: Vec<String> =
                    self.runs.iter().map(|(form, count)| format!("{form}*{count}")).collect();
                runs.join(" ")
            }
        };
        Ok(Some(NullForms { forms: self.forms, runs }))
    }
}

/// Returns the text of a form. `positions` are the positions of the JSON `null`s among the `null`s of a
/// value, in ascending order.
pub(super) fn form_of(positions: &[u64]) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for &position in positions {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == position => *last = position,
            _ => ranges.push((position, position)),
        }
    }
    let text = |(first, last): &(u64, u64)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(",")
}

/// A form: the ranges of the `null`s of a value that are JSON `null`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct NullForm(Vec<(u64, u64)>);

impl NullForm {
    /// Returns whether the `null` with this number is JSON `null`.
    pub(super) fn is_json(&self, number: u64) -> bool {
        let next_range = self.0.partition_point(|&(first, _)| first <= number);
        next_range.checked_sub(1).is_some_and(|position| number <= self.0[position].1)
    }

    fn parse(text: &str) -> Option<Self> {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        let ranges: Option<Vec<_>> = text.split(',').filter(|part| !part.is_empty()).map(range).collect();
        ranges.map(Self)
    }
}

/// The recorded forms of one column. [`at`](Self::at) returns the form of a record by its position.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NullFormsByPosition {
    forms: Vec<NullForm>,
    /// The end position (exclusive) and the form of each run.
    ends: Vec<(u64, usize)>,
}

impl NullFormsByPosition {
    /// Parses the recorded forms of a column. Returns `None` if they are invalid.
    pub(super) fn parse(recorded: &NullForms) -> Option<Self> {
        let forms = recorded.forms.iter().map(|form| NullForm::parse(form)).collect::<Option<Vec<_>>>()?;
        let (mut ends, mut end) = (Vec::new(), 0u64);
        for run in recorded.runs.split_ascii_whitespace() {
            let (form, count) = run.split_once('*')?;
            let form: usize = form.parse().ok()?;
            end = end.checked_add(count.parse().ok()?)?;
            if form >= forms.len() {
                return None;
            }
            ends.push((end, form));
        }
        (!forms.is_empty()).then_some(Self { forms, ends })
    }

    /// Creates a replay with one form for all records, in which every `null` of the column is JSON `null`.
    pub(super) fn json_null() -> Self {
        Self { forms: vec![NullForm(vec![(0, 0)])], ends: Vec::new() }
    }

    /// Returns the form of the record at this position. After the last run, the form of that run continues.
    pub(super) fn at(&self, position: u64) -> &NullForm {
        let run = self.ends.partition_point(|&(end, _)| end <= position);
        let form = self.ends.get(run).or(self.ends.last()).map_or(0, |&(_, form)| form);
        &self.forms[form]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replayed(values: &[Option<&str>]) -> Option<Vec<NullForm>> {
        let mut recorder = NullRecorder::default();
        for value in values {
            match value {
                None => recorder.record_without_null(),
                Some(form) => recorder.record(form),
            }
        }
        let recorded = recorder.finish().expect("the forms are within the limits")?;
        let replay = NullFormsByPosition::parse(&recorded).expect("the recorded forms are valid");
        Some((0..).take(values.len()).map(|position| replay.at(position).clone()).collect())
    }

    #[test]
    fn forms_are_returned_for_the_position_at_which_they_were_recorded() {
        let values = [None, Some(""), Some("0"), Some("0"), None, Some("1,3-5"), Some(""), None];
        let forms = replayed(&values).expect("a value contains JSON `null`");
        for (value, form) in values.iter().zip(&forms).filter_map(|(value, form)| Some(((*value)?, form))) {
            assert_eq!(*form, NullForm::parse(value).expect("the form is valid"));
        }
    }

    #[test]
    fn nothing_is_recorded_without_json_null() {
        assert_eq!(replayed(&[None, Some(""), None]), None);
        assert_eq!(replayed(&[None, None]), None);
    }

    #[test]
    fn one_form_needs_no_runs() {
        let mut recorder = NullRecorder::default();
        recorder.record_without_null();
        recorder.record("0");
        recorder.record_without_null();
        let recorded = recorder.finish().expect("the forms are within the limits");
        let recorded = recorded.expect("a value contains JSON `null`");
        assert_eq!(recorded, NullForms { forms: vec!["0".to_owned()], runs: String::new() });
    }

    #[test]
    fn a_form_lists_ranges() {
        let text = form_of(&[0, 2, 3, 4, 9]);
        assert_eq!(text, "0,2-4,9");
        let form = NullForm::parse(&text).expect("the form is valid");
        let json: Vec<u64> = (0..12).filter(|&number| form.is_json(number)).collect();
        assert_eq!(json, [0, 2, 3, 4, 9]);
    }

    #[test]
    fn a_column_whose_forms_change_too_often_is_refused() {
        let mut recorder = NullRecorder::default();
        for _ in 0..MAX_RUNS / 2 {
            recorder.record("");
            recorder.record("0");
        }
        assert!(!recorder.exceeds_limits());
        recorder.record("");
        assert_eq!(recorder.finish(), Err(TooManyForms));
    }

    #[test]
    fn a_column_with_exactly_the_maximum_number_of_runs_is_recorded() {
        let forms = ["", "0"];
        let values: Vec<Option<&str>> = (0..MAX_RUNS).map(|index| Some(forms[index % 2])).collect();
        let replayed = replayed(&values).expect("a value contains JSON `null`");
        for (value, form) in values.iter().zip(&replayed) {
            assert_eq!(form.is_json(0), *value == Some("0"));
        }
    }

    #[test]
    fn forms_with_too_large_a_total_length_are_refused() {
        let mut recorder = NullRecorder::default();
        let long = "1,".repeat(MAX_FORM_BYTES / 4);
        for end in 0..2 {
            recorder.record(&format!("{long}{end}"));
        }
        assert!(recorder.exceeds_limits());
        assert_eq!(recorder.finish(), Err(TooManyForms));
    }

    #[test]
    fn invalid_recorded_forms_are_refused() {
        for (forms, runs) in [
            (&[][..], ""),
            (&["x"], ""),
            (&["0"], "1*1"),
            (&["0"], "0*"),
            (&["0"], "0*18446744073709551615 0*1"),
        ] {
            let recorded = NullForms {
                forms: forms.iter().map(|&form| form.to_owned()).collect(),
                runs: runs.to_owned(),
            };
            assert_eq!(NullFormsByPosition::parse(&recorded), None, "{recorded:?}");
        }
    }
}
