//! `diff`: the differences between two backups.

use clap::Args;
use koan_backup_core::report::BackupDiff;

use crate::amounts::count;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::progress::Progress;
use crate::reference::{Accepted, Wanted, called};
use crate::session::Session;
use crate::table::{Align, Table};

/// The flags of `diff`.
#[derive(Args, Clone, Debug)]
pub struct DiffArgs {
    /// The earlier backup: an id, its last eight digits, a name, or `latest`
    #[arg(value_name = "BEFORE")]
    pub(crate) before: String,
    /// The later backup
    #[arg(value_name = "AFTER")]
    pub(crate) after: String,
    /// Compare only this entity (repeatable)
    #[arg(long = "entity", value_name = "ENTITY")]
    entities: Vec<String>,
    /// The storage profile of both backups
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl DiffArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let (output, profile) = (&session.output, self.profile.as_deref());
        let accepted = Accepted::WithArchive;
        let wanted = |reference| Wanted { reference, profile, accepted, ..Wanted::default() };
        let before = wanted(self.before.as_str()).find(session).await?;
        let after = wanted(self.after.as_str()).find(session).await?;
        let mut diff = session.koan.diff(before.id, after.id).cancel_on(session.cancel());
        let progress = Progress::new(output);
        diff = diff.on_event(progress.listener());
        if let Some(profile) = profile {
            diff = diff.before_in(profile).after_in(profile);
        }
        let compared = diff.entities(&self.entities).await;
        progress.finish();
        let diff = compared?;
        if output.is_json() {
            output.json(&diff);
        } else {
            output.line(format!("{} → {}", called(session, &before), called(session, &after)));
            print(session, &diff);
        }
        Ok(if diff.is_empty() { Exit::Done } else { Exit::Attention })
    }
}

fn print(session: &Session<'_>, diff: &BackupDiff) {
    let output = &session.output;
    let mut table = Table::new([
        ("ENTITY", Align::Fixed),
        ("SET", Align::Fixed),
        ("ADDED", Align::Number),
        ("CHANGED", Align::Number),
        ("REMOVED", Align::Number),
        ("UNCHANGED", Align::Number),
        ("NOT COMPARED", Align::Text),
    ]);
    for entity in &diff.entities {
        table.row([
            entity.entity.clone(),
            entity.set.to_string(),
            count(entity.added),
            count(entity.changed),
            count(entity.removed),
            count(entity.unchanged),
            entity.not_compared.clone().unwrap_or_default(),
        ]);
    }
    table.lines(output.width()).iter().for_each(|line| output.line(line));
    diff.notes.iter().for_each(|note| output.warning(note));
    let differ = diff.entities.iter().any(|entity| entity.added + entity.changed + entity.removed > 0);
    output.line(match (diff.is_empty(), differ) {
        (true, _) => "The backups are equal.",
        (false, true) => "The backups differ.",
        (false, false) => "No difference was found, but not every entity was compared.",
    });
}
