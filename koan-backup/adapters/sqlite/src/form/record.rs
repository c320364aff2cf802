//! Records the forms of the values of a column while the column is read.

use serde_json::{Value as Json, json};

use super::{Form, JSON_NULL, Shape};

/// The maximum number of runs that are recorded for a column. With more runs, only the most frequent form is
/// recorded.
const MAX_RUNS: usize = 65_536;
/// The maximum number of runs that are recorded for a column with both NULL and JSON `null`. A backup refuses
/// a column with more runs, because another form would change the values.
const MAX_NULL_RUNS: usize = 1 << 20;

/// The forms of one column as runs, in the order of the records.
#[derive(Debug)]
pub(in super::super) struct FormRecorder {
    /// The form that is assumed when nothing is recorded.
    default: Form,
    /// The form that all values of the current run share so far; `None` while all of them are NULL.
    current: Option<Form>,
    /// The number of records in the current run.
    length: u64,
    /// The forms, each with the number of its records.
    forms: Vec<(Form, u64)>,
    /// The finished runs: the index of a form, and the number of records.
    runs: Vec<(usize, u64)>,
    /// Whether there were more than [`MAX_NULL_RUNS`] runs.
    overflowed: bool,
}

impl FormRecorder {
    pub(in super::super) fn new(default: Form) -> Self {
        Self { default, current: None, length: 0, forms: Vec::new(), runs: Vec::new(), overflowed: false }
    }

    /// Adds a record whose value does not determine a form, such as NULL.
    pub(in super::super) fn push_null(&mut self) {
        self.length += 1;
    }

    /// Adds a record with a value of this form.
    #[inline]
    pub(in super::super) fn push(&mut self, form: Form) {
        match self.current {
            Some(current) if current == form => {}
            current => self.change(current, form),
        }
        self.length += 1;
    }

    /// Continues the current run with a value of another form, or begins a new run.
    fn change(&mut self, current: Option<Form>, form: Form) {
        match current {
            None => self.current = Some(form),
            Some(current) => match current.common(form) {
                Some(common) => self.current = Some(common),
                None => {
                    self.end_run(current);
                    self.current = Some(form);
                }
            },
        }
    }

    /// Ends the current run.
    fn end_run(&mut self, current: Form) {
        let known = self.forms.iter().position(|(form, _)| current.common(*form).is_some());
        let index = known.unwrap_or_else(|| {
            self.forms.push((current.single(self.default), 0));
            self.forms.len() - 1
        });
        self.forms[index].1 += self.length;
        if self.runs.len() < MAX_NULL_RUNS {
            self.runs.push((index, self.length));
        } else {
            self.overflowed = true;
        }
        self.length = 0;
    }

    /// Returns the forms that an archive records. The result has no JSON if every value has the default form.
    pub(in super::super) fn finish(mut self) -> RecordedForms {
        if let Some(current) = self.current.take() {
            self.end_run(current);
        }
        let form_count = self.forms.len();
        if self.forms.iter().all(|(form, _)| *form == self.default) {
            return RecordedForms {
                json: None,
                alternating_forms: None,
                has_too_many_null_runs: false,
                form_count,
            };
        }
        let is_json_null = |form: &Form| form.shape == Shape::StorageClass && form.has(JSON_NULL);
        let has_json_null = self.forms.iter().any(|(form, _)| is_json_null(form));
        if self.overflowed && has_json_null {
            return RecordedForms {
                json: None,
                alternating_forms: None,
                has_too_many_null_runs: true,
                form_count,
            };
        }
        if self.runs.len() > MAX_RUNS && !has_json_null {
            let forms = self.forms.len();
            let most_frequent =
                self.forms.iter().max_by_key(|(_, count)| *count).map_or(self.default, |(form, _)| *form);
            return RecordedForms {
                json: Some(json!({ "forms": [most_frequent.to_string()] })),
                alternating_forms: Some(forms),
                has_too_many_null_runs: false,
                form_count,
            };
        }
        let forms: Vec<String> = self.forms.iter().map(|(form, _)| form.to_string()).collect();
        let json = match self.runs.len() {
            1 => json!({ "forms": forms }),
            _ => json!({ "forms": forms, "runs": runs_text(&self.runs) }),
        };
        RecordedForms { json: Some(json), alternating_forms: None, has_too_many_null_runs: false, form_count }
    }
}

/// Returns runs as text: `form*count`, separated by spaces. A single text is used because tens of thousands
/// of small JSON lists would need much memory when they are parsed.
fn runs_text(runs: &[(usize, u64)]) -> String {
    runs.iter().map(|(form, count)| format!("{form}*{count}")).collect::<Vec<_>>().join(" ")
}

/// The forms of one column, as an archive records them.
#[derive(Debug)]
pub(in super::super) struct RecordedForms {
    /// The JSON value for the archive; `None` if every value has the default form.
    pub(in super::super) json: Option<Json>,
    /// The number of forms, if the forms alternate too often to be recorded in runs.
    pub(in super::super) alternating_forms: Option<usize>,
    /// Whether NULL and JSON `null` alternate too often to be recorded in runs.
    pub(in super::super) has_too_many_null_runs: bool,
    /// The number of forms.
    form_count: usize,
}

impl RecordedForms {
    /// Returns whether values have several forms. The database may distinguish values of different forms that
    /// have the same meaning.
    pub(in super::super) fn has_several_forms(&self) -> bool {
        self.form_count > 1
    }
}

#[cfg(test)]
mod tests {
    use super::super::{INTEGER, NATIVE, REAL, SQL_NULL, TEXT};
    use super::*;

    #[test]
    fn values_with_a_common_form_are_one_run() {
        let mut recorder = FormRecorder::new(Form::stored_as(NATIVE));
        recorder.push_null();
        recorder.push(Form::stored_as(NATIVE | INTEGER));
        recorder.push(Form::stored_as(NATIVE | REAL));
        recorder.push_null();
        assert!(recorder.finish().json.is_none());
    }

    #[test]
    fn runs_are_in_the_order_of_the_records() {
        let mut recorder = FormRecorder::new(Form::stored_as(NATIVE));
        recorder.push(Form::stored_as(NATIVE));
        recorder.push(Form::stored_as(TEXT));
        recorder.push_null();
        recorder.push(Form::stored_as(NATIVE | INTEGER));
        let json = recorder.finish().json.expect("two forms");
        assert_eq!(json.to_string(), r#"{"forms":["native","text"],"runs":"0*1 1*2 0*1"}"#);
    }

    #[test]
    fn only_the_most_frequent_form_is_recorded_for_a_column_with_too_many_runs() {
        let mut recorder = FormRecorder::new(Form::stored_as(NATIVE));
        for _ in 0..MAX_RUNS {
            recorder.push(Form::stored_as(NATIVE));
            recorder.push(Form::stored_as(TEXT));
            recorder.push(Form::stored_as(TEXT));
        }
        let recorded = recorder.finish();
        assert_eq!(recorded.alternating_forms, Some(2));
        assert_eq!(recorded.json.expect("a form").to_string(), r#"{"forms":["text"]}"#);
    }

    #[test]
    fn alternating_nulls_have_a_higher_run_limit_than_other_forms() {
        let mut recorder = FormRecorder::new(Form::stored_as(NATIVE));
        for _ in 0..MAX_RUNS {
            recorder.push(Form::stored_as(SQL_NULL));
            recorder.push(Form::stored_as(JSON_NULL));
        }
        let recorded = recorder.finish();
        assert!(!recorded.has_too_many_null_runs);
        let json = recorded.json.expect("forms");
        let runs = json["runs"].as_str().expect("runs");
        assert_eq!(runs.split(' ').count(), MAX_RUNS * 2);

        let mut recorder = FormRecorder::new(Form::stored_as(NATIVE));
        for _ in 0..=MAX_NULL_RUNS / 2 {
            recorder.push(Form::stored_as(SQL_NULL));
            recorder.push(Form::stored_as(JSON_NULL));
        }
        assert!(recorder.finish().has_too_many_null_runs);
    }
}
