//! Why a record was refused.

use std::fmt;

use serde::de::{Expected, Unexpected};

use crate::foundation::canonical::CanonicalError;
use crate::foundation::schema::first_difference;
use crate::foundation::value::Value;

/// What is said of a date that few types read and no archive holds.
pub(super) const BEFORE_YEAR_1: &str = "is a date before the year 1 (BC), which archives do not hold for such a type; correct the row, or \
     declare the field as `String`";

/// Why a record was refused, and in which field. Never holds content of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError {
    field: Option<String>,
    problem: String,
}

impl RecordError {
    /// A problem with one field.
    pub fn in_field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: Some(field.into()), problem: problem.into() }
    }

    /// A problem with the whole record.
    pub fn new(problem: impl Into<String>) -> Self {
        Self { field: None, problem: problem.into() }
    }

    pub(super) fn not_a_map() -> Self {
        Self::new(
            "serialises to something other than a JSON object; an entity is a struct or an enum of structs",
        )
    }

    /// A line that its type writes otherwise after reading it back. Names the first field that differs.
    pub(super) fn changed(line: &[u8], again: &[u8]) -> Self {
        let path = match (serde_json::from_slice(line), serde_json::from_slice(again)) {
            (Ok(line), Ok(again)) => first_difference(&line, &again).unwrap_or_default(),
            _ => String::new(),
        };
        // Names below the field may be keys of a map, which are content of the record.
        let field = path.trim_start_matches('.').split(['.', '[']).next().unwrap_or_default();
        Self {
            field: (!field.is_empty()).then(|| field.to_owned()),
            problem: "is not what its type writes after reading it back; `Serialize` and `Deserialize` of the type must be \
                      inverse, and collections without an order, such as `HashSet`, must be sorted when they are written"
                .to_owned(),
        }
    }

    pub(super) fn from_json(error: &serde_json::Error) -> Self {
        use serde_json::error::Category;
        let problem = match error.classify() {
            Category::Syntax => "is not valid JSON",
            Category::Eof => "ends in the middle of a value",
            Category::Io | Category::Data => "does not decode as its type",
        };
        Self { field: None, problem: format!("{problem} (byte {})", error.column()) }
    }

    /// Adds the reason for which a type refuses a value, where the value shows it.
    pub(super) fn explained(self, value: &Value<'_>) -> Self {
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

    pub(super) fn within(mut self, outer: &str) -> Self {
        self.field = Some(match self.field {
            Some(inner) => format!("{outer}.{inner}"),
            None => outer.to_owned(),
        });
        self
    }

    /// Leaves the field out unless it may be shown.
    pub(crate) fn without_field_unless(mut self, is_shown: impl FnOnce(&str) -> bool) -> Self {
        self.field = self.field.filter(|field| is_shown(field));
        self
    }

    /// The field, where the problem is in one.
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

/// Returns the message of serde about a value, without the value.
impl serde::de::Error for RecordError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::new("its type refuses the value")
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("{} where {expected} is expected", kind(unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("{} that is not {expected}", kind(unexpected)))
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::new("a variant that its type does not have")
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("holds a field that is unknown to the type, which knows {}", list(expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::in_field(field, "has no column or value; add the column, or `#[serde(default)]` to the field")
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::in_field(field, "is there twice")
    }
}

impl serde::ser::Error for RecordError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::new("was refused by the type's own `Serialize`")
    }
}

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
