//! Converts the numbers of the column of the version to versions, which are counted from 0.

use super::EventTables;

impl EventTables {
    /// Returns the version that a number of the column means. `None` if the number is below the first version.
    pub fn version_of(&self, number: i64) -> Option<u64> {
        u64::try_from(number).ok()?.checked_sub(self.first_version)
    }

    /// Returns the number of a version in the column. `None` if the number exceeds 64 bits with a sign.
    pub fn number_of(&self, version: u64) -> Option<i64> {
        i64::try_from(version.checked_add(self.first_version)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CqrsEs, EventTables};

    #[test]
    fn a_version_is_counted_from_the_first_version_of_the_column() {
        let tables = CqrsEs::tables();
        assert_eq!((tables.version_of(0), tables.version_of(-1)), (None, None), "sequences start at 1");
        assert_eq!((tables.version_of(1), tables.version_of(5)), (Some(0), Some(4)));
        assert_eq!((tables.number_of(0), tables.number_of(i64::MAX.unsigned_abs())), (Some(1), None));
        let tables = EventTables::new("event");
        assert_eq!((tables.version_of(0), tables.number_of(0)), (Some(0), Some(0)));
        assert_eq!(tables.number_of(u64::MAX), None);
    }
}
