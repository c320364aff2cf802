//! Generic types. The error suggests a newtype like those in tests/accepted/transparent.rs.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
struct Page<T> {
    id: i64,
    items: Vec<T>,
}

#[derive(Serialize, Deserialize, Entity)]
struct Sized<const N: usize> {
    id: i64,
}

#[derive(Serialize, Deserialize, Entity)]
struct Borrowed<'a> {
    id: i64,
    #[serde(borrow)]
    name: &'a str,
}

#[derive(Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
enum Contact<T, U: Clone = i64>
where
    T: Clone,
{
    A { id: i64, value: T, other: U },
}

fn main() {}
