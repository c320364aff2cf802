//! Finds objects of JSON with duplicate names.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Returns whether JSON contains an object with duplicate names.
pub(super) fn has_duplicate_names(json: &RawValue) -> bool {
    let has_duplicates = Cell::new(false);
    // An error means that the JSON is nested more deeply than serde reads. The server then decides.
    let _ = Examined(&has_duplicates).deserialize(&mut serde_json::Deserializer::from_str(json.get()));
    has_duplicates.get()
}

/// A value that is examined, and the result.
#[derive(Clone, Copy)]
struct Examined<'c>(&'c Cell<bool>);

impl<'de> DeserializeSeed<'de> for Examined<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Examined<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name) {
                self.0.set(true);
            }
            if self.0.get() {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(self)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_names_are_found_at_each_depth() {
        for (text, expected) in [
            (r#"{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}"#, false),
            (r#"{"a":1,"b":2,"a":1}"#, true),
            (r#"[1,{"x":[{"a":null,"\u0061":2.5e10}]}]"#, true),
            ("12345678901234567890.10", false),
            ("null", false),
        ] {
            let json: &RawValue = serde_json::from_str(text).expect("JSON");
            assert_eq!(has_duplicate_names(json), expected, "{text}");
        }
    }
}
