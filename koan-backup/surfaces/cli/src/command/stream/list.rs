//! `stream list`: the single backups that exist.

use std::collections::BTreeSet;

use clap::Args;
use jiff::Timestamp;
use koan_backup_core::streams::{StreamBackupHandle, StreamBackupPage};

use crate::amounts::{count, count_of, size};
use crate::arguments::{self, TimeArg};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::session::Session;
use crate::table::{Align, Table};

/// The flags of `stream list`.
#[derive(Args, Clone, Debug)]
pub(crate) struct StreamListArgs {
    /// Only backups with this object name
    #[arg(long, value_name = "OBJECT")]
    object: Option<String>,
    /// Only backups of the aggregate with this object id
    #[arg(long, value_name = "ID")]
    object_id: Option<String>,
    /// Only backups since this day (2026-11-29), time (2026-11-29T02:00:00Z) or age (7d)
    #[arg(long, value_name = "TIME", value_parser = arguments::time)]
    after: Option<TimeArg>,
    /// Only backups that are older than this day, time or age
    #[arg(long, value_name = "TIME", value_parser = arguments::time)]
    before: Option<TimeArg>,
    /// Only backups with this tag (repeatable: all of them)
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Only backups with this metadata (repeatable: all of them)
    #[arg(long = "metadata", value_name = "KEY=VALUE", value_parser = arguments::metadata)]
    metadata: Vec<(String, String)>,
    /// Show at most this number of backups
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Only backups in this storage profile (repeatable)
    #[arg(long = "profile", value_name = "PROFILE")]
    pub(crate) profiles: Vec<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl StreamListArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let output = &session.output;
        let zone = output.zone();
        let mut query = session.koan.stream_backups().from_all_applications().profiles(&self.profiles);
        if let Some(object) = &self.object {
            query = query.object(object);
        }
        if let Some(object_id) = &self.object_id {
            query = query.object_id(object_id);
        }
        if let Some(after) = self.after {
            query = query.created_after(after.start(zone));
        }
        if let Some(before) = self.before {
            query = query.created_before(before.start(zone));
        }
        for tag in &self.tags {
            query = query.tag(tag);
        }
        for (key, value) in &self.metadata {
            query = query.metadata(key, value);
        }
        if let Some(limit) = self.limit {
            query = query.take(limit);
        }
        let page: StreamBackupPage = query.await?;
        match output.is_json() {
            true => output.json(&page.backups),
            false => print(session, &page.backups),
        }
        for file in &page.unreadable {
            output.warning(&format!(
                "`{}` in profile `{}` is not listed, because it cannot be read: {}",
                file.path, file.profile, file.problem
            ));
        }
        if page.without_key > 0 {
            let backups = count_of(u64::try_from(page.without_key).unwrap_or(u64::MAX), "encrypted backup");
            output.warning(&format!(
                "it is not known whether {backups} would be listed, because no key decrypts their object ids, tags and \
                 metadata"
            ));
        }
        let is_complete = page.unreadable.is_empty() && page.without_key == 0;
        Ok(if is_complete { Exit::Done } else { Exit::Attention })
    }
}

fn print(session: &Session<'_>, backups: &[StreamBackupHandle]) {
    let output = &session.output;
    if backups.is_empty() {
        output.note("no single backups");
        return;
    }
    let several_profiles = session.koan.capabilities().profiles.len() > 1;
    let applications: BTreeSet<_> = backups.iter().map(application).collect();
    let identity = session.koan.identity();
    let own = format!("{}/{}", identity.application(), identity.environment());
    let several_applications = applications.iter().any(|application| *application != own);
    let mut columns = vec![("ID", Align::Fixed), ("OBJECT", Align::Text), ("OBJECT ID", Align::Text)];
    columns.extend([("VERSION", Align::Number), ("EVENTS", Align::Number), ("CREATED", Align::Fixed)]);
    columns.push(("SIZE", Align::Number));
    columns.extend(several_profiles.then_some(("PROFILE", Align::Text)));
    columns.extend(several_applications.then_some(("APPLICATION", Align::Text)));
    columns.extend([("EXPIRES", Align::Fixed), ("TAGS", Align::Text)]);
    let optional = &["TAGS", "PROFILE", "EVENTS", "APPLICATION", "SIZE"];
    let (mut table, now) = (Table::new(columns).optional(optional), Timestamp::now());
    for backup in backups {
        let mut row = vec![
            backup.id.short(),
            backup.object.clone(),
            backup.object_id.clone().unwrap_or_else(|| "encrypted".to_owned()),
            backup.stream_version.map_or_else(|| "-".to_owned(), count),
            count(backup.event_count),
            session.moment(backup.created_at),
            size(backup.size_bytes),
        ];
        row.extend(several_profiles.then(|| backup.profile.clone()));
        row.extend(several_applications.then(|| application(backup)));
        row.push(match backup.expires_at {
            None => "never".to_owned(),
            Some(_) if backup.is_expired(now) => "expired".to_owned(),
            Some(at) => session.moment(at),
        });
        row.push(backup.tags.join(", "));
        table.row(row);
    }
    table.lines(output.width()).iter().for_each(|line| output.line(line));
}

fn application(backup: &StreamBackupHandle) -> String {
    let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    format!("{}/{}", part(&backup.producer.application), part(&backup.producer.environment))
}
