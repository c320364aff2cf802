//! Notes the forms of a column while it is read.

use serde_json::{Value as Json, json};

use super::{Form, JSON_NULL, Shape};

/// How often a column may change its form before only the most frequent one is kept.
const MAX_RUNS: usize = 65_536;
/// How often a column that holds both NULL and JSON `null` may change its form. One that changes more often is not backed up: in
/// another form its values would not be the same.
const MAX_NULL_RUNS: usize = 1 << 20;

/// The forms of one column, run by run, in the order of the records.
#[derive(Debug)]
pub(in super::super) struct FormRecorder {
    /// What is written when nothing is recorded.
    default: Form,
    /// What the values of the open run have in common; none while all were NULL.
    open: Option<Form>,
    length: u64,
    forms: Vec<(Form, u64)>,
    runs: Vec<(usize, u64)>,
    overflowed: bool,
}

impl FormRecorder {
    pub(in super::super) fn new(default: Form) -> Self {
        Self { default, open: None, length: 0, forms: Vec::new(), runs: Vec::new(), overflowed: false }
    }

    /// The next record has NULL, which has one form only.
    pub(in super::super) fn null(&mut self) {
        self.length += 1;
    }

    /// The next record has a value of that form.
    #[inline]
    pub(in super::super) fn note(&mut self, form: Form) {
        match self.open {
            Some(open) if open == form => {}
            open => self.change(open, form),
        }
        self.length += 1;
    }

    fn change(&mut self, open: Option<Form>, form: Form) {
        match open {
            None => self.open = Some(form),
            Some(open) => match open.common(form) {
                Some(common) => self.open = Some(common),
                None => {
                    self.close(open);
                    self.open = Some(form);
                }
            },
        }
    }

    fn close(&mut self, open: Form) {
        let known = self.forms.iter().position(|(form, _)| open.common(*form).is_some());
        let index = known.unwrap_or_else(|| {
            self.forms.push((open.single(self.default), 0));
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

    /// What was recorded: nothing when the column is in its default form throughout.
    pub(in super::super) fn finish(mut self) -> Recorded {
        if let Some(open) = self.open.take() {
            self.close(open);
        }
        let seen = self.forms.len();
        if self.forms.iter().all(|(form, _)| *form == self.default) {
            return Recorded { json: None, mixed: None, mixes_nulls: false, seen };
        }
        let is_json_null = |form: &Form| form.shape == Shape::Plain && form.has(JSON_NULL);
        let has_json_null = self.forms.iter().any(|(form, _)| is_json_null(form));
        if self.overflowed && has_json_null {
            return Recorded { json: None, mixed: None, mixes_nulls: true, seen };
        }
        if self.runs.len() > MAX_RUNS && !has_json_null {
            let forms = self.forms.len();
            let most =
                self.forms.iter().max_by_key(|(_, count)| *count).map_or(self.default, |(form, _)| *form);
            return Recorded {
                json: Some(json!({ "forms": [most.to_string()] })),
                mixed: Some(forms),
                mixes_nulls: false,
                seen,
            };
        }
        let forms: Vec<String> = self.forms.iter().map(|(form, _)| form.to_string()).collect();
        let json = match self.runs.len() {
            1 => json!({ "forms": forms }),
            _ => json!({ "forms": forms, "runs": runs_text(&self.runs) }),
        };
        Recorded { json: Some(json), mixed: None, mixes_nulls: false, seen }
    }
}

/// Runs as `form*count`, separated by spaces: one text, because tens of thousands of small lists are large once parsed.
fn runs_text(runs: &[(usize, u64)]) -> String {
    runs.iter().map(|(form, count)| format!("{form}*{count}")).collect::<Vec<_>>().join(" ")
}

/// The forms of one column.
#[derive(Debug)]
pub(in super::super) struct Recorded {
    pub(in super::super) json: Option<Json>,
    /// The number of forms, when they alternate too often to be recorded one by one.
    pub(in super::super) mixed: Option<usize>,
    /// Whether NULL and JSON `null` alternate too often to be recorded one by one.
    pub(in super::super) mixes_nulls: bool,
    /// How many forms were seen.
    seen: usize,
}

impl Recorded {
    /// Whether values are in forms that the database may tell apart though they mean the same.
    pub(in super::super) fn is_of_several(&self) -> bool {
        self.seen > 1
    }
}

#[cfg(test)]
mod tests {
    use super::super::{INTEGER, NATIVE, REAL, SQL_NULL, TEXT};
    use super::*;

    #[test]
    fn forms_in_common_make_one_run() {
        let mut recorder = FormRecorder::new(Form::plain(NATIVE));
        recorder.null();
        recorder.note(Form::plain(NATIVE | INTEGER));
        recorder.note(Form::plain(NATIVE | REAL));
        recorder.null();
        assert!(recorder.finish().json.is_none());
    }

    #[test]
    fn runs_are_in_the_order_of_the_records() {
        let mut recorder = FormRecorder::new(Form::plain(NATIVE));
        recorder.note(Form::plain(NATIVE));
        recorder.note(Form::plain(TEXT));
        recorder.null();
        recorder.note(Form::plain(NATIVE | INTEGER));
        let json = recorder.finish().json.expect("two forms");
        assert_eq!(json.to_string(), r#"{"forms":["native","text"],"runs":"0*1 1*2 0*1"}"#);
    }

    #[test]
    fn a_column_that_alternates_endlessly_keeps_its_most_frequent_form() {
        let mut recorder = FormRecorder::new(Form::plain(NATIVE));
        for _ in 0..MAX_RUNS {
            recorder.note(Form::plain(NATIVE));
            recorder.note(Form::plain(TEXT));
            recorder.note(Form::plain(TEXT));
        }
        let recorded = recorder.finish();
        assert_eq!(recorded.mixed, Some(2));
        assert_eq!(recorded.json.expect("a form").to_string(), r#"{"forms":["text"]}"#);
    }

    #[test]
    fn null_and_json_null_are_recorded_beyond_the_limit_of_spellings_and_then_refused() {
        let mut recorder = FormRecorder::new(Form::plain(NATIVE));
        for _ in 0..MAX_RUNS {
            recorder.note(Form::plain(SQL_NULL));
            recorder.note(Form::plain(JSON_NULL));
        }
        let recorded = recorder.finish();
        assert!(!recorded.mixes_nulls);
        let json = recorded.json.expect("forms");
        let runs = json["runs"].as_str().expect("runs");
        assert_eq!(runs.split(' ').count(), MAX_RUNS * 2);

        let mut recorder = FormRecorder::new(Form::plain(NATIVE));
        for _ in 0..=MAX_NULL_RUNS / 2 {
            recorder.note(Form::plain(SQL_NULL));
            recorder.note(Form::plain(JSON_NULL));
        }
        assert!(recorder.finish().mixes_nulls);
    }
}
