//! Fields that borrow.

use std::marker::PhantomData;

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Entity)]
struct Text {
    id: i64,
    name: &'static str,
}

#[derive(Serialize, Deserialize, Entity)]
struct Others {
    id: &'static str,
    bytes: Option<&'static [u8]>,
    #[serde(skip)]
    skipped: &'static str,
    marker: PhantomData<&'static str>,
}

#[derive(Serialize, Deserialize, Entity)]
struct Lent {
    id: i64,
    #[serde(borrow)]
    name: std::borrow::Cow<'static, str>,
}

fn main() {}
