//! Generates sample values for fields that serde reads into its internal buffer before their type requests
//! them: the fields whose names were learned, and their content.

use serde::de::Visitor;

use super::access::{Element, Entries, OneEntry};
use super::answers::{integer, text};
use super::form::{FORMS, Form};
use super::learned::Refused;
use super::sampler::{Buffered, Sampler};

impl<'a> Sampler<'a> {
    /// Returns the entries of a map whose values serde does not read into its internal buffer.
    pub(super) fn entries(self, length: usize) -> Entries<'a> {
        Entries { sampler: self, next: 0, length, name: None, buffered: Buffered::No }
    }

    /// Passes a value to the visitor of a buffer, which accepts every value.
    pub(super) fn deserialize_buffered<'de, V: Visitor<'de>>(
        mut self,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        if let Some(variants) = self.observations.learned.variants(&self.path) {
            // The sample is the name of a variant, which may be a tag, or a map with this name and the
            // content of the variant.
            return match self.candidate(2) {
                0 => {
                    let parent = self.parent();
                    visitor.visit_str(self.variant_name(&parent, variants)?)
                }
                _ => {
                    let variant = self.variant_name(&self.path.clone(), variants)?;
                    self.observations.nested_candidate_counts.insert(self.path.clone(), 2);
                    visitor.visit_map(OneEntry {
                        sampler: self,
                        variant: Some(variant),
                        segment: format!(".{variant}"),
                    })
                }
            };
        }
        let form = Form::from_candidate(self.candidate(FORMS));
        self.observations.nested_candidate_counts.insert(self.path.clone(), FORMS);
        match form {
            Form::Text(candidate) => visitor.visit_string(text(candidate, self.sample_number)),
            Form::Integer => visitor.visit_u64(integer(0, self.sample_number)),
            Form::Boolean => visitor.visit_bool(self.sample_number % 2 == 1),
            Form::Unit => visitor.visit_unit(),
            Form::Map => {
                let length = self.elements().min(2);
                visitor.visit_map(Entries {
                    sampler: self,
                    next: 0,
                    length,
                    name: None,
                    buffered: Buffered::Field,
                })
            }
            Form::EmptyMap => visitor.visit_map(self.entries(0)),
            Form::Texts => self.list(None, Element::Text, visitor),
            Form::Integers => self.list(None, Element::Integer, visitor),
            Form::List => self.list(None, Element::Buffered, visitor),
        }
    }
}
