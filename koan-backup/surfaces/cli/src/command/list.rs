//! `list`: the backups that exist.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use koan_backup_core::BackupId;
use koan_backup_core::archive::BackupStatus;
use koan_backup_core::catalog::{CatalogEntry, Order, SortBy};
use serde::Serialize;

use crate::amounts::{count, length, short_count, size};
use crate::arguments::{self, TimeArg};
use crate::contents::entity_count;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::session::Session;
use crate::table::{Align, Table};
use crate::times;

/// The flags of `list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Only backups with this name (repeatable)
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// Only backups with this tag (repeatable: all of them)
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Only backups that contain this entity (repeatable: all of them)
    #[arg(long = "entity", value_name = "ENTITY")]
    entities: Vec<String>,
    /// Only backups since this day (2026-11-29), time (2026-11-29T02:00:00Z) or age (7d)
    #[arg(long, value_name = "TIME", value_parser = arguments::time)]
    since: Option<TimeArg>,
    /// Only backups until this day, time or age
    #[arg(long, value_name = "TIME", value_parser = arguments::time)]
    until: Option<TimeArg>,
    /// Only backups in this storage profile (repeatable)
    #[arg(long = "profile", value_name = "PROFILE")]
    pub(crate) profiles: Vec<String>,
    /// Only backups that ended like this (repeatable)
    #[arg(long = "status", value_name = "STATUS", value_enum)]
    statuses: Vec<Status>,
    /// Only backups that were completed without a warning and have no known damage
    #[arg(long, conflicts_with = "attention")]
    healthy: bool,
    /// Only backups that failed, have warnings, or have known damage
    #[arg(long)]
    attention: bool,
    /// Only backups whose name, description or tags contain this text
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Sort by this property: the newest, largest or longest first, names from Z to A
    #[arg(long, value_name = "PROPERTY", value_enum, default_value = "time")]
    sort: Sort,
    /// Sort in the other direction
    #[arg(long)]
    reverse: bool,
    /// Show at most this number of backups
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// How a backup ended.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Status {
    Completed,
    CompletedWithWarnings,
    Failed,
    Cancelled,
}

/// The property by which backups are sorted.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sort {
    Time,
    Name,
    Size,
    Duration,
}

/// A backup in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    id: String,
    name: &'a str,
    series: String,
    profile: &'a str,
    application: Option<&'a str>,
    environment: Option<&'a str>,
    created_at: String,
    duration_ms: u64,
    status: BackupStatus,
    entities: u64,
    records: u64,
    archive_bytes: u64,
    encrypted: bool,
    tags: &'a [String],
    description: Option<&'a str>,
    verified_at: Option<String>,
    damage: Option<&'a str>,
    healthy: bool,
    warnings: Option<&'a [String]>,
}

/// When each backup was verified last.
type Verifications = BTreeMap<(String, BackupId), Timestamp>;

impl ListArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let (output, catalog) = (&session.output, session.koan.catalog());
        let mut query =
            catalog.query().all_tags(&self.tags).containing(&self.entities).profiles(&self.profiles);
        query = self.names.iter().fold(query, |query, name| query.name(name));
        query = query.statuses(self.statuses.iter().map(|status| status.status()));
        let zone = output.zone();
        query = match (self.since, self.until) {
            (None, None) => query,
            (Some(since), None) => query.between(since.start(zone)..),
            (None, Some(until)) => query.between(..=until.end(zone)),
            (Some(since), Some(until)) => query.between(since.start(zone)..=until.end(zone)),
        };
        if self.healthy {
            query = query.healthy();
        }
        if self.attention {
            query = query.requiring_attention();
        }
        if let Some(text) = &self.search {
            query = query.text(text);
        }
        if let Some(limit) = self.limit {
            query = query.take(limit);
        }
        let order = if self.reverse { Order::Ascending } else { Order::Descending };
        let page = query.sort_by(self.sort.property(), order).await?;
        let (verified, unreadable) = (catalog.verifications().await?, catalog.unreadable().await?);
        if output.is_json() {
            let listed: Vec<_> = page.entries.iter().map(|entry| listed(entry, &verified)).collect();
            output.json(&listed);
        } else {
            print(session, &page.entries, &verified);
            if page.total > page.entries.len() {
                let (shown, total) = (length(&page.entries), u64::try_from(page.total).unwrap_or(u64::MAX));
                output.note(format!("{} of {} backups", count(shown), count(total)));
            }
        }
        for (profile, manifest) in &unreadable {
            let (id, problem) = (manifest.id, &manifest.problem);
            output.warning(&format!(
                "backup {id} in profile `{profile}` is not listed, because its manifest cannot be read: {problem}"
            ));
        }
        Ok(if unreadable.is_empty() { Exit::Done } else { Exit::Attention })
    }
}

impl Status {
    fn status(self) -> BackupStatus {
        match self {
            Self::Completed => BackupStatus::Completed,
            Self::CompletedWithWarnings => BackupStatus::CompletedWithWarnings,
            Self::Failed => BackupStatus::Failed,
            Self::Cancelled => BackupStatus::Cancelled,
        }
    }
}

impl Sort {
    fn property(self) -> SortBy {
        match self {
            Self::Time => SortBy::Time,
            Self::Name => SortBy::Name,
            Self::Size => SortBy::Size,
            Self::Duration => SortBy::Duration,
        }
    }
}

fn verified_at(entry: &CatalogEntry, verified: &Verifications) -> Option<Timestamp> {
    verified.get(&(entry.profile().to_owned(), entry.id())).copied()
}

fn listed<'a>(entry: &'a CatalogEntry, verified: &Verifications) -> Listed<'a> {
    let manifest = entry.manifest();
    Listed {
        id: manifest.id.to_string(),
        name: manifest.name.as_str(),
        series: manifest.series_name().to_string(),
        profile: entry.profile(),
        application: manifest.producer.application.as_deref(),
        environment: manifest.producer.environment.as_deref(),
        created_at: manifest.created_at.to_string(),
        duration_ms: manifest.duration_ms,
        status: manifest.status,
        entities: entity_count(manifest),
        records: manifest.verification.total_item_count,
        archive_bytes: entry.size_bytes(),
        encrypted: manifest.encryption.is_some(),
        tags: &manifest.tags,
        description: manifest.description.as_deref(),
        verified_at: verified_at(entry, verified).map(|at| at.to_string()),
        damage: entry.damage(),
        healthy: entry.is_healthy(),
        warnings: entry.warnings(),
    }
}

fn print(session: &Session<'_>, entries: &[CatalogEntry], verified: &Verifications) {
    let (output, now) = (&session.output, Timestamp::now());
    if entries.is_empty() {
        output.note("no backups");
        return;
    }
    let several_profiles = session.koan.capabilities().profiles.len() > 1;
    let identity = session.koan.identity();
    let own = format!("{}/{}", identity.application(), identity.environment());
    let producer = |entry: &CatalogEntry| application(entry);
    let several_applications = entries.iter().any(|entry| producer(entry) != own);
    let mut columns = vec![("ID", Align::Fixed), ("NAME", Align::Text), ("CREATED", Align::Fixed)];
    columns.extend([("ENTITIES", Align::Number), ("RECORDS", Align::Number), ("SIZE", Align::Number)]);
    columns.extend(several_profiles.then_some(("PROFILE", Align::Text)));
    columns.extend(several_applications.then_some(("APPLICATION", Align::Text)));
    columns.extend([("VERIFIED", Align::Fixed), ("STATUS", Align::Text)]);
    let mut table = Table::new(columns).optional(&["ENTITIES", "PROFILE", "VERIFIED", "APPLICATION", "SIZE"]);
    for entry in entries {
        let manifest = entry.manifest();
        let verified = verified_at(entry, verified);
        let mut row = vec![
            manifest.id.short(),
            manifest.name.to_string(),
            session.moment(manifest.created_at),
            count(entity_count(manifest)),
            short_count(manifest.verification.total_item_count),
            size(entry.size_bytes()),
        ];
        row.extend(several_profiles.then(|| entry.profile().to_owned()));
        row.extend(several_applications.then(|| producer(entry)));
        row.push(verified.map_or_else(|| "never".to_owned(), |at| times::ago(at, now)));
        row.push(status(entry));
        table.row(row);
    }
    table.lines(output.width()).iter().for_each(|line| output.line(line));
}

fn application(entry: &CatalogEntry) -> String {
    let producer = &entry.manifest().producer;
    let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    format!("{}/{}", part(&producer.application), part(&producer.environment))
}

fn status(entry: &CatalogEntry) -> String {
    let warnings = entry.warnings().map_or(0, length);
    match (entry.damage(), entry.manifest().status) {
        (Some(damage), _) => format!("damaged: {damage}"),
        (None, BackupStatus::Completed) if warnings == 0 => "ok".to_owned(),
        (None, BackupStatus::Completed | BackupStatus::CompletedWithWarnings) => match warnings {
            0 => "attention: warnings".to_owned(),
            1 => "attention: 1 warning".to_owned(),
            count => format!("attention: {count} warnings"),
        },
        (None, BackupStatus::Cancelled) => "cancelled".to_owned(),
        (None, _) => "failed".to_owned(),
    }
}
