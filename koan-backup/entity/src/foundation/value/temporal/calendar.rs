//! The proleptic Gregorian calendar: days since 1970-01-01 and back.
//!
//! The algorithm is `days_from_civil` and `civil_from_days` of Howard Hinnant, "chrono-Compatible Low-Level Date
//! Algorithms" (<https://howardhinnant.github.io/date_algorithms.html>). Its years begin in March, so that the
//! leap day is the last day of a year. No crate is used, because building one would be a quarter of the time that a
//! crate of models takes to build; a test compares every day with `jiff`.

/// The days of 400 years, after which the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;
/// The days from 0000-03-01 to 1970-01-01.
const DAYS_TO_UNIX_EPOCH: i64 = 719_468;

/// Returns the number of days of a month from 1 to 12.
pub(super) fn days_in_month(year: i16, month: i8) -> i8 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the number of days since 1970-01-01 of a date that exists.
pub(super) fn unix_days(year: i16, month: i8, day: i8) -> i64 {
    let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - DAYS_TO_UNIX_EPOCH
}

/// Returns the year, month and day of a number of days since 1970-01-01, or `None` if the year is outside of −9999
/// to 9999.
pub(super) fn date_of_unix_days(days: i64) -> Option<(i16, i8, i8)> {
    let days = days.checked_add(DAYS_TO_UNIX_EPOCH)?;
    let (era, day_of_era) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / (DAYS_PER_ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let year = i16::try_from(year).ok().filter(|year| (-9999..=9999).contains(year))?;
    Some((year, i8::try_from(month).ok()?, i8::try_from(day).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_from_the_year_minus_9999_to_9999_is_that_of_jiff() {
        let (mut day, last) = (jiff::civil::Date::MIN, jiff::civil::Date::MAX);
        let mut days = unix_days(-9999, 1, 1);
        assert_eq!(unix_days(1970, 1, 1), 0);
        assert_eq!(
            days,
            jiff::civil::Date::MIN.duration_since(jiff::civil::date(1970, 1, 1)).as_hours() / 24
        );
        loop {
            let (year, month) = (day.year(), day.month());
            assert_eq!(unix_days(year, month, day.day()), days, "{day}");
            assert_eq!(date_of_unix_days(days), Some((year, month, day.day())), "{day}");
            assert_eq!(days_in_month(year, month), day.days_in_month(), "{day}");
            if day == last {
                break;
            }
            day = day.tomorrow().expect("a day before the last");
            days += 1;
        }
        assert_eq!(date_of_unix_days(days + 1), None);
        assert_eq!(date_of_unix_days(unix_days(-9999, 1, 1) - 1), None);
        assert_eq!(date_of_unix_days(i64::MAX), None);
        assert_eq!(date_of_unix_days(i64::MIN), None);
    }
}
