//! Replays the recorded forms of a column: returns the form of one record after another.

use serde::Deserialize;
use serde_json::Value as Json;

use super::Form;
use super::text::UnknownForm;

/// The forms of one column, in the order of the records.
#[derive(Debug)]
pub(in super::super) struct FormReplay {
    forms: Vec<Form>,
    /// The remaining runs: the index of a form, and the number of records.
    runs: std::vec::IntoIter<(usize, u64)>,
    /// The form of the current run.
    current: Form,
    /// The number of records that remain in the current run.
    remaining: u64,
}

/// The forms of a column in an archive.
#[derive(Deserialize)]
struct StoredForms {
    forms: Vec<String>,
    #[serde(default)]
    runs: String,
}

/// Parses the text of recorded runs: `form*count`, separated by spaces.
fn parse_runs(text: &str) -> Option<Vec<(usize, u64)>> {
    let run = |run: &str| {
        let (form, count) = run.split_once('*')?;
        Some((form.parse().ok()?, count.parse().ok()?))
    };
    text.split_ascii_whitespace().map(run).collect()
}

impl FormReplay {
    /// Creates a replay with one form for all records.
    pub(in super::super) fn constant(form: Form) -> Self {
        Self { forms: vec![form], runs: Vec::new().into_iter(), current: form, remaining: u64::MAX }
    }

    /// Creates a replay from the recorded forms of a column.
    pub(in super::super) fn recorded(json: &Json) -> Result<Self, UnknownForm> {
        let recorded = StoredForms::deserialize(json).map_err(|_| UnknownForm)?;
        let forms = recorded.forms.iter().map(|form| form.parse()).collect::<Result<Vec<Form>, _>>()?;
        let has_form = |&(form, _): &(usize, u64)| form < forms.len();
        let runs = parse_runs(&recorded.runs).ok_or(UnknownForm)?;
        if !runs.iter().all(has_form) {
            return Err(UnknownForm);
        }
        let current = *forms.first().ok_or(UnknownForm)?;
        let remaining = if runs.is_empty() { u64::MAX } else { 0 };
        Ok(Self { forms, runs: runs.into_iter(), current, remaining })
    }

    /// Returns all forms of the column.
    pub(in super::super) fn forms(&self) -> &[Form] {
        &self.forms
    }

    /// Returns the form of the next record.
    pub(in super::super) fn next(&mut self) -> Form {
        while self.remaining == 0 {
            match self.runs.next() {
                Some((form, count)) => (self.current, self.remaining) = (self.forms[form], count),
                // There are more records than the runs contain, so all further records have the last form.
                None => self.remaining = u64::MAX,
            }
        }
        self.remaining -= 1;
        self.current
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{NATIVE, TEXT};
    use super::*;

    #[test]
    fn forms_are_returned_in_the_order_in_which_they_were_recorded() {
        let json = json!({ "forms": ["native", "text"], "runs": "1*2 0*1" });
        let mut replay = FormReplay::recorded(&json).expect("the recorded forms are valid");
        let variants: Vec<u32> = (0..5).map(|_| replay.next().variants).collect();
        assert_eq!(variants, [TEXT, TEXT, NATIVE, NATIVE, NATIVE]);
    }

    #[test]
    fn inconsistent_forms_are_refused() {
        for json in [
            json!({}),
            json!({ "forms": [] }),
            json!({ "forms": ["new"] }),
            json!({ "forms": ["text"], "runs": "1*1" }),
            json!({ "forms": ["text"], "runs": "0*" }),
        ] {
            assert!(FormReplay::recorded(&json).is_err(), "{json}");
        }
    }
}
