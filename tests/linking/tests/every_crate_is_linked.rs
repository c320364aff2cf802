//! A program that links all crates with entities.

use koan_backup::testing::{assert_all_crates_linked, assert_covered};

koan_backup::link!(koan_backup_test_linking, koan_backup_test_services, lost);

#[test]
fn linked_crates_are_found_if_they_are_renamed_or_indirect_dependencies() {
    assert_all_crates_linked();
}

#[test]
#[should_panic(expected = "Draft → no backup coverage (scope: None)")]
fn an_entity_without_a_policy_is_not_covered() {
    assert_covered();
}
