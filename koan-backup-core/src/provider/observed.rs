//! What a sink notices of the rows that pass through it: keys that are there twice, and values that types do not keep.

use std::collections::BTreeMap;

use crate::value::Value;

/// What was noticed so far. Its size is bounded by the fields of the entity.
#[derive(Debug, Default)]
pub(super) struct Observed {
    last_key: Vec<Value<'static>>,
    /// By field: in how many records its value was not kept, and the key of the first.
    changed: BTreeMap<String, (u64, String)>,
    /// By field: how many values are JSON text in another form than the archive's.
    rewritten: BTreeMap<String, u64>,
}

impl Observed {
    /// Whether a record has the key of the one before it. Records in the order of their keys have equal keys side by side.
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

    /// Notes the values of a row that its type does not keep; `key` is asked for the first of each field.
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

    /// Notes a value that is JSON text in another form than the archive's.
    pub(super) fn note_rewritten(&mut self, field: &str) {
        match self.rewritten.get_mut(field) {
            Some(count) => *count += 1,
            None => drop(self.rewritten.insert(field.to_owned(), 1)),
        }
    }

    /// How many values are JSON text in another form than the archive's, by field.
    pub(super) fn into_rewritten(self) -> BTreeMap<String, u64> {
        self.rewritten
    }

    /// What whoever restores should know.
    pub(super) fn warnings(&self, entity: &str) -> Vec<String> {
        let tell = |(field, (count, key)): (&String, &(u64, String))| {
            format!(
                "{entity}: {count} records, the first `{key}`, hold more in `{field}` than its type keeps; the archive has \
                 what the type keeps, and a restore writes that"
            )
        };
        self.changed.iter().map(tell).collect()
    }
}

fn equal<'v>(one: &Value<'v>, other: &Value<'v>) -> bool {
    one == other
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Projection, Row};

    #[test]
    fn rows_without_a_key_do_not_repeat_one() {
        let mut projection = Projection::default();
        projection.extra("note");
        let values = [Value::Null];
        let row = Row { projection: &projection, values: &values };
        let mut observed = Observed::default();
        assert!(!observed.repeats_key(row.key()) && !observed.repeats_key(row.key()));
    }
}
