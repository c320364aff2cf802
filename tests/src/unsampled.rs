//! A type whose values the library cannot generate.

use serde::{Deserialize, Serialize};

/// Text that starts with `§§`. No generated sample starts with `§§`, so the check at the start of an
/// application cannot determine the order in which a set of this type is written.
#[derive(Serialize, Deserialize, PartialEq, Eq, Hash, Clone, Debug)]
#[serde(try_from = "String", into = "String")]
pub struct Unsampled(String);

impl Unsampled {
    /// Returns the value with a number. Different numbers result in different values.
    pub fn numbered(number: usize) -> Self {
        Self(format!("§§{number}"))
    }
}

impl TryFrom<String> for Unsampled {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with("§§") {
            Ok(Self(text))
        } else {
            Err("the text does not start with `§§`".into())
        }
    }
}

impl From<Unsampled> for String {
    fn from(text: Unsampled) -> Self {
        text.0
    }
}
