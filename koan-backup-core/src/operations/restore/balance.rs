//! The balance of a restore: every record of the archive is in exactly one of the counts.

use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::WriteCounts;

/// Refuses counts that do not account for every record that was written to a target.
///
/// Providers derive the counts from what the database reported, so a difference means that the database
/// dropped, redirected or merged records. The caller rolls back.
///
/// # Errors
/// [`ErrorKind::Constraint`], with entity, provider, all counts, likely causes and remedies.
pub(crate) fn require_balance(
    entity: &str,
    provider: &str,
    records: u64,
    counts: &WriteCounts,
) -> Result<()> {
    if counts.records() == records {
        return Ok(());
    }
    let WriteCounts { inserted, updated, unchanged, kept, .. } = *counts;
    Err(Error::new(
        ErrorKind::Constraint,
        format!(
            "the restore of {entity} does not balance: {records} records were written to provider \
             `{provider}`, and it reports {inserted} inserted, {updated} updated, {unchanged} unchanged and \
             {kept} kept; a trigger, rule or policy of the database may drop or redirect records, or two \
             keys may be equal to the database; disable the trigger, rule or policy, or restore as the owner \
             of the table"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_in_one_of_the_counts() {
        let counts = WriteCounts { inserted: 1, updated: 2, unchanged: 3, kept: 4, ..WriteCounts::default() };
        require_balance("User", "main", 10, &counts).expect("the counts balance");
        // Deleted records are not in the archive.
        let deleted = WriteCounts { deleted: 7, ..counts };
        require_balance("User", "main", 10, &deleted).expect("the counts balance");
        for records in [9, 11, 17] {
            let error =
                require_balance("User", "main", records, &deleted).expect_err("the counts do not balance");
            assert_eq!(error.kind(), ErrorKind::Constraint);
            let text = error.to_string();
            let expected_texts = [
                format!("{records} records"),
                "User".to_owned(),
                "`main`".to_owned(),
                "1 inserted, 2 updated, 3 unchanged and 4 kept".to_owned(),
                "trigger, rule or policy".to_owned(),
            ];
            assert!(expected_texts.iter().all(|expected| text.contains(expected)), "{text}");
        }
    }

    #[test]
    fn counts_that_are_too_large_do_not_overflow_into_a_balance() {
        let counts = WriteCounts { inserted: u64::MAX, updated: 11, ..WriteCounts::default() };
        require_balance("User", "main", 10, &counts).expect_err("the counts do not balance");
    }
}
