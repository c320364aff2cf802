//! A gate in the decoding of a record, at which a test holds a backup.
//!
//! If the file in the environment variable `SHOP_GATE` exists, decoding a note with the text `gate` creates a
//! file beside it, and waits until the test removes the gate.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// The text of the note that is held.
pub(crate) const HELD: &str = "gate";

/// Deserializes a note, and waits at the gate.
pub(crate) fn note<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let note = String::deserialize(deserializer)?;
    if note == HELD
        && let Some(gate) = std::env::var_os("SHOP_GATE").map(PathBuf::from)
    {
        while gate.exists() {
            std::fs::write(gate.with_extension("reached"), "").expect("the file is written");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(note)
}
