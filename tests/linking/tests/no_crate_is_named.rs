//! A program that names none of the crates with entities.

use std::panic::catch_unwind;

use koan_backup::testing::{assert_all_crates_linked, assert_all_crates_linked_except, assert_covered};

fn message(test: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = catch_unwind(test).expect_err("the assertion panics");
    *panic.downcast::<String>().expect("a message")
}

#[test]
fn each_crate_that_is_not_linked_is_named_with_its_remedy() {
    assert_eq!(
        message(assert_all_crates_linked),
        "crates with entities are not linked into this test program:\
         \n  `koan-backup-test-linking`, the library of this package: write \
         `koan_backup::link!(koan_backup_test_linking);` in the program, for example in `src/main.rs`\
         \n  `koan-backup-test-models`: write `koan_backup::link!(koan_backup_test_models);` in \
         `koan-backup-test-services`, which depends on it\
         \n  `koan-backup-test-renamed`: write `koan_backup::link!(lost);` in `koan-backup-test-linking`, which \
         depends on it\
         \nif they declare no entities, exempt them: `assert_all_crates_linked_except([\"koan-backup-test-linking\", \
         \"koan-backup-test-models\", \"koan-backup-test-renamed\"])`; the linked crates are none"
    );
}

#[test]
fn an_exempt_crate_need_not_be_linked() {
    assert_all_crates_linked_except([
        "koan-backup-test-linking",
        "koan_backup_test_models",
        "koan-backup-test-renamed",
    ]);
}

#[test]
fn an_exempt_crate_with_an_unknown_name_is_refused() {
    // `koan-backup-test-services` does not depend on koan-backup itself, so it is not expected either.
    for name in ["koan-backup-test-model", "koan-backup-test-services"] {
        let message = message(|| assert_all_crates_linked_except([name]));
        let start = format!("crate `{name}` is exempt, but it is not expected to be linked");
        assert!(message.starts_with(&start), "{message}");
        assert!(message.contains("`koan-backup-test-models`"), "{message}");
    }
}

#[test]
fn a_program_without_entities_is_not_covered() {
    assert!(message(assert_covered).contains("koan_backup::link!"));
}
