//! Observes the rows that pass through a sink: adjacent duplicate keys, and values that a type does not
//! preserve.

use std::collections::BTreeMap;

use crate::foundation::value::Value;

/// The observations about the rows that were pushed. Their size is bounded by the number of fields of the
/// entity.
#[derive(Debug, Default)]
pub(super) struct Observations {
    last_key: Vec<Value<'static>>,
    /// By field: the number of records whose value was not preserved, and the key of the first such record.
    changed: BTreeMap<String, (u64, String)>,
    /// By field: the number of values whose JSON text has another form in the archive.
    rewritten: BTreeMap<String, u64>,
}

impl Observations {
    /// Returns whether a record has the key of the record before it. Records that are ordered by key have
    /// equal keys next to each other.
    pub(super) fn repeats_key<'v>(&mut self, key: impl Iterator<Item = &'v Value<'v>>) -> bool {
        let mut keys = 0;
        let mut repeated = true;
        for (index, value) in key.enumerate() {
            keys += 1;
            match self.last_key.get_mut(index) {
                Some(last) => {
                    if !equal(last, value) {
                        *last = value.clone().into_owned();
                        repeated = false;
                    }
                }
                None => {
                    self.last_key.push(value.clone().into_owned());
                    repeated = false;
                }
            }
        }
        keys > 0 && repeated
    }

    /// Records which fields of a row were not preserved by the type. `key` is called for the first row of
    /// each field only.
    pub(super) fn note_changed(&mut self, fields: &[&str], key: impl Fn() -> String) {
        for &field in fields {
            match self.changed.get_mut(field) {
                Some((count, _)) => *count += 1,
                None => {
                    self.changed.insert(field.to_owned(), (1, key()));
                }
            }
        }
    }

    /// Records a value whose JSON text has another form in the archive.
    pub(super) fn note_rewritten(&mut self, field: &str) {
        match self.rewritten.get_mut(field) {
            Some(count) => *count += 1,
            None => drop(self.rewritten.insert(field.to_owned(), 1)),
        }
    }

    /// Returns by field how many values have JSON text of another form in the archive.
    pub(super) fn into_rewritten(self) -> BTreeMap<String, u64> {
        self.rewritten
    }

    /// Returns the warnings for the report of the backup.
    pub(super) fn warnings(&self, entity: &str) -> Vec<String> {
        let warning = |(field, (count, key)): (&String, &(u64, String))| {
            let fields = match field.as_str() {
                "*" => "fields that the type does not declare".to_owned(),
                declared => format!("`{declared}`"),
            };
            let records = if *count == 1 { "record" } else { "records" };
            format!(
                "{entity}: in {count} {records}, the first with key `{key}`, the type does not preserve all \
                 data in {fields}; the archive contains only the preserved data, and a restore writes only \
                 this data"
            )
        };
        self.changed.iter().map(warning).collect()
    }
}

fn equal<'v>(left: &Value<'v>, right: &Value<'v>) -> bool {
    left == right
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::codec::{Projection, Row};

    #[test]
    fn rows_without_a_key_are_not_duplicates() {
        let mut projection = Projection::default();
        projection.extra("note");
        let values = [Value::Null];
        let row = Row { projection: &projection, values: &values };
        let mut observations = Observations::default();
        assert!(!observations.repeats_key(row.key()) && !observations.repeats_key(row.key()));
    }
}
