//! A method that takes names takes one name or several, and nothing else.

use koan_backup::prelude::*;

fn wrong(koan: &Koan) {
    drop(koan.backup("nightly").exclude(5));
    drop(koan.backup("nightly").entities([1, 2]));
}

fn main() {}
