//! `stats`: counts and sizes of the backups.

use clap::Args;
use koan_backup_core::catalog::CatalogStatistics;

use crate::amounts::{count, count_of, size};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::session::Session;
use crate::table::{Align, Table};

/// The flags of `stats`.
#[derive(Args, Clone, Debug)]
pub struct StatsArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl StatsArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let statistics = session.koan.catalog().statistics().await?;
        match session.output.is_json() {
            true => session.output.json(&statistics),
            false => print(session, &statistics),
        }
        Ok(Exit::Done)
    }
}

/// Returns the number of elements of a collection as a count.
fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn print(session: &Session<'_>, statistics: &CatalogStatistics) {
    let output = &session.output;
    let print = |table: Table| {
        output.line("");
        table.lines(output.width()).iter().for_each(|line| output.line(line));
    };
    output.line(format!(
        "{}, {} not completed, {}",
        count_of(number(statistics.backups), "backup"),
        count(number(statistics.failed)),
        size(statistics.size_bytes)
    ));
    let moment = |at: Option<jiff::Timestamp>| at.map_or_else(|| "never".to_owned(), |at| session.moment(at));
    let streams = &statistics.stream_backups;
    if streams.backups > 0 || !session.koan.capabilities().event_streams.is_empty() {
        output.line(format!(
            "{}, {} expired, {} damaged, {}, the newest {}",
            count_of(streams.backups, "single backup"),
            count(streams.expired),
            count(streams.damaged),
            size(streams.size_bytes),
            moment(streams.newest)
        ));
    }
    let mut series = Table::new([
        ("SERIES", Align::Text),
        ("BACKUPS", Align::Number),
        ("COMPLETED", Align::Number),
        ("SIZE", Align::Number),
        ("NEWEST COMPLETED", Align::Text),
    ]);
    for (name, statistic) in &statistics.by_series {
        series.row([
            name.clone(),
            count(number(statistic.backups)),
            count(number(statistic.complete)),
            size(statistic.size_bytes),
            moment(statistic.newest_complete),
        ]);
    }
    print(series);
    let mut entities = Table::new([
        ("ENTITY", Align::Text),
        ("BACKUPS", Align::Number),
        ("RECORDS", Align::Number),
        ("COMPRESSED", Align::Number),
        ("NEWEST", Align::Text),
    ]);
    for (name, statistic) in &statistics.by_entity {
        entities.row([
            name.clone(),
            count(number(statistic.backups)),
            count(statistic.records),
            size(statistic.compressed_bytes),
            moment(statistic.newest),
        ]);
    }
    print(entities);
    let mut profiles =
        Table::new([("PROFILE", Align::Text), ("BACKUPS", Align::Number), ("SIZE", Align::Number)]);
    for (name, statistic) in &statistics.by_profile {
        profiles.row([name.clone(), count(number(statistic.backups)), size(statistic.size_bytes)]);
    }
    print(profiles);
    let mut growth =
        Table::new([("MONTH", Align::Text), ("BACKUPS", Align::Number), ("SIZE", Align::Number)]);
    for month in &statistics.growth {
        growth.row([month.month.clone(), count(number(month.backups)), size(month.size_bytes)]);
    }
    print(growth);
}
