//! The error of a record that was refused.

use std::fmt;

use serde::de::{Expected, Unexpected};

use crate::foundation::canonical::CanonicalError;
use crate::foundation::schema::first_difference;
use crate::foundation::value::Value;

/// The message for a date before the year 1, which an archive cannot contain for a field of a date type.
pub(super) const BEFORE_YEAR_1: &str = "is a date before the year 1 (BC), which an archive cannot contain for a \
     field of this type; correct the row, or declare the field as `String`";

/// The error of a record that was refused: the problem, and the field that has it. It never contains content
/// of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError {
    field: Option<String>,
    problem: String,
}

impl RecordError {
    /// Creates the error for a problem with one field.
    pub fn in_field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: Some(field.into()), problem: problem.into() }
    }

    /// Creates the error for a problem with the record as a whole.
    pub fn new(problem: impl Into<String>) -> Self {
        Self { field: None, problem: problem.into() }
    }

    /// Creates the error for a type that does not serialize as a JSON object.
    pub(super) fn not_a_map() -> Self {
        Self::new("does not serialize as a JSON object; an entity must be a struct or an enum of structs")
    }

    /// Creates the error for a line that does not round-trip: the type decodes `line` and serializes it as
    /// `written`. The error contains the name of the first field that differs.
    pub(super) fn changed(line: &[u8], written: &[u8]) -> Self {
        let path = match (serde_json::from_slice(line), serde_json::from_slice(written)) {
            (Ok(line), Ok(written)) => first_difference(&line, &written).unwrap_or_default(),
            _ => String::new(),
        };
        // Names below the field may be keys of a map, which are content of the record and must not appear in
        // the error.
        let field = path.trim_start_matches('.').split(['.', '[']).next().unwrap_or_default();
        Self {
            field: (!field.is_empty()).then(|| field.to_owned()),
            problem: "changes when its type deserializes and serializes it again; `Serialize` and `Deserialize` of \
                      the type must be inverses of each other, and collections without an order, such as \
                      `HashSet`, must be sorted when they are serialized"
                .to_owned(),
        }
    }

    /// Creates the error for a line that `serde_json` refuses, without the content of its message.
    pub(super) fn from_json(error: &serde_json::Error) -> Self {
        use serde_json::error::Category;
        let problem = match error.classify() {
            Category::Syntax => "is not valid JSON",
            Category::Eof => "ends in the middle of a value",
            Category::Io | Category::Data => "does not decode as its type",
        };
        Self { field: None, problem: format!("{problem} (byte {})", error.column()) }
    }

    /// Replaces the problem with [`BEFORE_YEAR_1`] if `value` is a date before the year 1.
    pub(super) fn with_date_reason(self, value: &Value<'_>) -> Self {
        let year = match value {
            Value::Date(date) => date.year,
            Value::DateTime(moment) => moment.date.year,
            Value::Timestamp(instant) => instant.local.date.year,
            _ => return self,
        };
        if year >= 1 {
            return self;
        }
        Self { problem: BEFORE_YEAR_1.to_owned(), ..self }
    }

    /// Adds the name of the outer field to the path of the field.
    pub(super) fn within(mut self, outer: &str) -> Self {
        self.field = Some(match self.field {
            Some(inner) => format!("{outer}.{inner}"),
            None => outer.to_owned(),
        });
        self
    }

    /// Removes the name of the field from the error unless it may be shown.
    pub(crate) fn without_field_unless(mut self, is_shown: impl FnOnce(&str) -> bool) -> Self {
        self.field = self.field.filter(|field| is_shown(field));
        self
    }

    /// Returns the field that has the problem, or `None` if the problem does not belong to one field.
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "field `{field}`: {}", self.problem),
            None => f.write_str(&self.problem),
        }
    }
}

impl std::error::Error for RecordError {}

impl From<CanonicalError> for RecordError {
    fn from(error: CanonicalError) -> Self {
        Self::new(error.to_string())
    }
}

/// Converts the messages of serde about a value into messages that do not contain the value.
impl serde::de::Error for RecordError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::new("its type refuses the value")
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("contains {} where {expected} is expected", kind(unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("contains {} that is not {expected}", kind(unexpected)))
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::new("contains a variant that its type does not have")
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("contains a field that its type does not have; the type has {}", list(expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::in_field(field, "has no column or value; add the column, or `#[serde(default)]` to the field")
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::in_field(field, "is a duplicate field")
    }
}

impl serde::ser::Error for RecordError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::new("was refused by `Serialize` of its type")
    }
}

/// Returns the kind of a value, without its content.
fn kind(unexpected: Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a floating-point number",
        Unexpected::Char(_) | Unexpected::Str(_) => "text",
        Unexpected::Bytes(_) => "bytes",
        Unexpected::Unit | Unexpected::Option => "no value",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a map",
        _ => "another kind of value",
    }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
