//! Structs that serde does not write as a map.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
struct Tuple(i64, String);

#[derive(Serialize, Deserialize, Entity)]
struct Newtype(i64);

#[derive(Serialize, Deserialize, Entity)]
struct Unit;

fn main() {}
