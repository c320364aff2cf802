//! Dates, times and instants in the form of separate fields, and their text in ISO 8601 and SQL.
//!
//! Parsing returns the value and the style of its text, so that an adapter can write a value in the style in
//! which the value was read.

mod calendar;
mod parse;
mod style;
mod text;
mod types;

pub use style::{OffsetStyle, TemporalStyle};
pub(crate) use text::TemporalText;
pub use types::{Date, DateTime, Time, Timestamp};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_in_the_style_of_the_text_from_which_it_was_parsed() {
        for text in [
            "2009-01-01 00:00:00",
            "2009-01-01T13:14:15.120Z",
            "2009-01-01 13:14:15.123456+02:00",
            "2009-01-01t13:14",
            "2009-01-01T13:14:15.000000001-0530",
            "2009-01-01 13:14:60+05",
            "2009-01-01",
        ] {
            let (value, style) = Timestamp::parse(text).expect(text);
            assert_eq!(style.write_timestamp(value).as_deref(), Some(text));
        }
    }

    #[test]
    fn text_that_is_not_an_instant_is_refused() {
        for text in [
            "",
            "2009",
            "2009-13-01",
            "2009-02-30",
            "2009-01-01X00:00",
            "2009-01-01 24:00",
            "1:2:3",
            "2009-01-01 00:00:00.",
            "2009-01-01 00:00:00-00:00",
            "2009-01-01 00:00:00.1234567890",
        ] {
            assert!(Timestamp::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn an_impossible_offset_is_written_without_a_panic() {
        let local = DateTime { date: Date { year: 2024, month: 2, day: 29 }, time: Time::MIDNIGHT };
        let value = Timestamp { local, offset_seconds: i32::MIN };
        assert_eq!(value.to_string(), "2092-03-18T03:14:08Z");
        let (_, style) = Timestamp::parse("2024-02-29T00:00:00+01:00").expect("the input is valid");
        assert_eq!(style.write_timestamp(value), None, "this style cannot express seconds of an offset");
    }

    #[test]
    fn an_offset_with_seconds_is_written_as_the_same_instant_in_utc() {
        let local = DateTime { date: Date { year: 1850, month: 1, day: 1 }, time: Time::MIDNIGHT };
        // This is the offset of Berlin before 1893.
        let value = Timestamp { local, offset_seconds: 53 * 60 + 28 };
        assert_eq!(value.to_string(), "1849-12-31T23:06:32Z");
        let (read, _) = Timestamp::parse(&value.to_string()).expect("the input is valid");
        assert_eq!(read.unix_nanos(), value.unix_nanos());
    }

    #[test]
    fn unix_days_are_counted_from_1970() {
        let date = |year, month, day| Date { year, month, day };
        for (date, days) in [
            (date(1970, 1, 1), Some(0)),
            (date(1969, 12, 31), Some(-1)),
            (date(2000, 3, 1), Some(11_017)),
            (date(9999, 12, 31), Some(2_932_896)),
            (date(-9999, 1, 1), Some(-4_371_587)),
            (date(2023, 2, 29), None),
        ] {
            assert_eq!(date.unix_days(), days, "{date}");
        }
    }

    #[test]
    fn instants_convert_to_unix_time_and_back() {
        let (value, _) = Timestamp::parse("2024-02-29T23:30:00.000000001+05:30").expect("the input is valid");
        let nanos = value.unix_nanos().expect("the instant is in range");
        assert_eq!(nanos, 1_709_229_600_000_000_001);
        let utc = Timestamp::from_unix_nanos(nanos).expect("the instant is in range");
        assert_eq!(utc.to_string(), "2024-02-29T18:00:00.000000001Z");
        assert_eq!(utc.at_offset(19_800), Some(value));
    }
}
