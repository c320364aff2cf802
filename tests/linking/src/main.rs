//! A program with the same crate name as the library of its package. It declares an entity and does not name the
//! library, so that the linker omits the library.

use koan_backup::prelude::*;
use serde::{Deserialize, Serialize};

/// An entity of the program.
#[derive(Serialize, Deserialize, Entity)]
struct Note {
    id: i64,
}

fn main() {
    let _ = Note { id: 1 };
}

#[cfg(test)]
mod tests {
    #[test]
    #[should_panic(expected = "`koan-backup-test-linking`, the library of this package: write \
                    `koan_backup::link!(koan_backup_test_linking);` in the program")]
    fn an_entity_of_the_program_does_not_prove_that_the_library_of_the_same_name_is_linked() {
        koan_backup::testing::assert_all_crates_linked();
    }
}
