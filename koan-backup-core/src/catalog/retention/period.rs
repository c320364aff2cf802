//! The calendar periods. A retention rule keeps one backup of each period.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

/// A calendar period, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Period {
    /// A clock hour.
    Hour,
    /// A calendar day.
    Day,
    /// An ISO 8601 week, which starts on Monday.
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
}

impl Period {
    pub(super) const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// Returns the label of the period that contains an instant, for example `2026-11-21` or `2026-W47`.
    pub(super) fn label_at(self, instant: Timestamp) -> String {
        let utc = instant.to_zoned(TimeZone::UTC);
        let format = match self {
            Self::Hour => "%Y-%m-%d %H:00",
            Self::Day => "%Y-%m-%d",
            Self::Week => "%G-W%V",
            Self::Month => "%Y-%m",
            Self::Year => "%Y",
        };
        utc.strftime(format).to_string()
    }

    /// Returns the name of the rule that keeps one backup of each period.
    pub(super) fn rule(self) -> &'static str {
        match self {
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Year => "yearly",
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_belongs_to_the_year_of_its_thursday() {
        let label_at = |period: Period, text: &str| period.label_at(text.parse().expect("the time is valid"));
        assert_eq!(label_at(Period::Week, "2026-01-01T00:00:00Z"), "2026-W01");
        assert_eq!(label_at(Period::Week, "2027-01-03T23:59:59Z"), "2026-W53");
        assert_eq!(label_at(Period::Year, "2027-01-03T23:59:59Z"), "2027");
        assert_eq!(label_at(Period::Hour, "2026-11-21T22:17:03Z"), "2026-11-21 22:00");
    }
}
