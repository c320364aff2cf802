//! Dates at the end of backup names, in the notations that people use.

use koan_backup::{BackupName, catalog::SeriesName};

fn series(name: &str) -> String {
    SeriesName::of(&BackupName::new(name).expect(name)).to_string()
}

#[test]
fn a_date_that_ends_with_the_year_is_recognised_with_day_and_month_in_either_order() {
    for date in
        ["29-11-2026", "29.11.2026", "11-29-2026", "05_06_2026", "29-11-2026 02-00", "29.11.2026T02:00:00Z"]
    {
        assert_eq!(series(&format!("nightly-{date}")), "nightly", "{date}");
        assert_eq!(series(date), "default");
    }
}

#[test]
fn text_that_is_not_a_complete_date_remains_part_of_the_series_name() {
    for name in [
        "nightly-29-11_2026",
        "nightly-31-11-2026",
        "nightly-13-13-2026",
        "nightly-29-11-26",
        "nightly-29112026",
        "nightly-11-2026",
        "nightly-2026-11-29T03:00:00Z-eu",
        "release-10.12.3026",
    ] {
        assert_eq!(series(name), name);
    }
}
