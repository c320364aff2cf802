//! Series of backups: names that differ only in a date.

mod date;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::foundation::error::Result;
use crate::foundation::id::BackupName;

/// The name of the series of all backups whose names consist of a date only.
const DEFAULT_SERIES: &str = "default";

/// The name of a series. Retention, health and statistics treat the backups of a series together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SeriesName(String);

impl SeriesName {
    /// Validates `name` with the rules of [`BackupName`].
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`](crate::ErrorKind::InvalidName): the message states the rule that is
    /// violated.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        BackupName::new(name).map(|name| Self(name.as_str().to_owned()))
    }

    /// Returns the series of a backup name: the name without the date, or date and time, at its end. A date
    /// has a year of four digits, which is its first or its last number. A single year or number is not
    /// removed, and a date that is followed by other text is not removed either. The series of a name that
    /// consists of a date only is `default`.
    ///
    /// ```
    /// # use koan_backup_core::{BackupName, catalog::SeriesName};
    /// let series = |name: &str| SeriesName::of(&BackupName::new(name).expect("the name is valid")).to_string();
    /// assert_eq!(series("nightly-2026-11-29"), "nightly");
    /// assert_eq!(series("nightly_20261129T020000Z"), "nightly");
    /// assert_eq!(series("2026-11-29 02:00"), "default");
    /// assert_eq!(series("budget-2026"), "budget-2026");
    /// ```
    pub fn of(name: &BackupName) -> Self {
        let name = name.as_str();
        let Some(date) = date::trailing_date_start(name) else { return Self(name.to_owned()) };
        let is_separator = |c: char| c.is_whitespace() || "-_.,:@+#~".contains(c);
        match name[..date].trim_end_matches(is_separator) {
            "" => Self(DEFAULT_SERIES.to_owned()),
            series => Self(series.to_owned()),
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SeriesName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SeriesName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series_of(name: &str) -> String {
        SeriesName::of(&BackupName::new(name).expect("the name is valid")).to_string()
    }

    #[test]
    fn a_date_at_the_end_is_not_part_of_the_series() {
        for date in [
            "2026-11-29",
            "20261129",
            "2026_11_29",
            "2026.11.29",
            "2024-02-29",
            "29-11-2026",
            "29.11.2026",
            "11-29-2026",
            "05_06_2026",
            "29-11-2026 02-00",
            "29.11.2026T02:00:00Z",
            "2026-11-29T02-00-00",
            "2026-11-29 02-00-00",
            "2026-11-29-02-00-00",
            "2026-11-29_02-00-00",
            "2026_11_29_02_00_00",
            "2026-11-29T0200",
            "2026-11-29-0200Z",
            "20261129T020000",
            "20261129T020000Z",
            "20261129-020000",
            "20261129_0200",
            "20261129020000",
            "202611290200",
            "2026-11-29T02:00:00Z",
            "2026-11-29 02:00",
            "2026-11-29T02:00:00.123456789Z",
            "2026-11-29T02:00:00+01:00",
            "2026-11-29T02:00:00-0500",
            "2026-11-29 02:00:00 UTC",
            "2026-11-29-02",
            "2026-11-29T23-59-60z",
            "2026-11-29T02-00-00Z",
        ] {
            for separator in ["-", "_", " ", ".", " - ", ""] {
                let name = format!("nightly{separator}{date}");
                assert_eq!(series_of(&name), "nightly", "{separator:?} {date}");
            }
            assert_eq!(series_of(date), "default", "{date}");
            assert_eq!(series_of(&format!("shop-2-{date}")), "shop-2", "{date}");
            assert_eq!(series_of(&format!("日本-{date}")), "日本", "{date}");
        }
    }

    #[test]
    fn an_incomplete_date_is_part_of_the_series() {
        for name in [
            "nightly",
            "budget-2026",
            "2026",
            "v2",
            "build-1234",
            "build-123456",
            "2026-11",
            "nightly-2026-11",
            "202611",
            "nightly-2026-02-29",
            "nightly-2026-13-01",
            "nightly-2026-00-10",
            "nightly-2026-11-31",
            "nightly-20261131",
            "nightly-2026-11-29T25-00-00",
            "nightly-2026-11-29-9999",
            "nightly-2026-11-29-026000",
            "order-99991231",
            "order-12345678",
            "order-120261129",
            "2026-11-29-before-the-move",
            "nightly-2026-11-29-1",
            "nightly-2026-11_29",
            "nightly-29-11_2026",
            "nightly-31-11-2026",
            "nightly-13-13-2026",
            "nightly-29-11-26",
            "nightly-29112026",
            "nightly-11-2026",
            "nightly-2026-11-29T03:00:00Z-eu",
            "release-10.12.3026",
            "nightly-2026-11-29 UTC",
            "nightly-2026-1-5",
            "nightly-2026-11-29T",
            "1764381600",
        ] {
            assert_eq!(series_of(name), name);
        }
    }

    #[test]
    fn a_series_name_follows_the_rules_of_a_backup_name() {
        assert_eq!(SeriesName::new("nightly").expect("the input is valid").as_str(), "nightly");
        for name in ["", " ", "a/b", "a\nb", "..", &"x".repeat(129)] {
            assert!(SeriesName::new(name).is_err(), "{name:?}");
        }
    }
}
