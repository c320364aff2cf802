//! A union.

use koan_backup::Entity;

#[derive(Entity)]
union Bits {
    id: u64,
    float: f64,
}

fn main() {}
