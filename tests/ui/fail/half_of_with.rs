//! A module of functions that lacks one of the two, and a function without its counterpart.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

mod half {
    pub fn serialize<S: serde::Serializer>(_: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(0)
    }
}

#[derive(Serialize, Deserialize, Entity)]
struct WithHalf {
    #[serde(with = "half")]
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
struct WithMissing {
    id: i64,
    #[serde(with = "missing")]
    other: i64,
}

fn main() {}
