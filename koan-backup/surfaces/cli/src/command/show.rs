//! `show`: what is known about a backup.

use clap::Args;
use koan_backup_core::archive::{BackupStatus, EncryptionScope, EntityStatus, Manifest};

use crate::amounts::{count, millis, size};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::reference::Wanted;
use crate::session::Session;
use crate::table::{Align, Table};

/// The flags of `show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The backup: an id, its last eight digits, a name, or `latest`
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// The storage profile of the backup
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl ShowArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let profile = self.profile.as_deref();
        let wanted = Wanted { reference: &self.backup, profile, ..Wanted::default() };
        let manifest = wanted.find(session).await?;
        match session.output.is_json() {
            true => session.output.json(&manifest),
            false => print(session, &manifest, profile),
        }
        Ok(Exit::Done)
    }
}

/// Prints a manifest for people.
fn print(session: &Session<'_>, manifest: &Manifest, profile: Option<&str>) {
    let output = &session.output;
    let status = match manifest.status {
        BackupStatus::Completed => "completed",
        BackupStatus::CompletedWithWarnings => "completed with warnings",
        BackupStatus::Cancelled => "cancelled",
        _ => "failed",
    };
    let producer = &manifest.producer;
    let encryption = manifest.encryption.as_ref().map(|encryption| {
        let scope = match encryption.scope {
            EncryptionScope::Archive => "the archive as a whole",
            _ => "encrypted entities",
        };
        format!("{scope}, for {}", encryption.key_ids.join(", "))
    });
    let metadata = manifest.metadata.iter().map(|(key, value)| format!("{key}={value}"));
    let metadata = metadata.collect::<Vec<_>>().join(", ");
    let archive = manifest.archive.as_ref();
    let archive = archive.map(|archive| format!("{} ({})", archive.file, size(archive.size_bytes)));
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let facts = [
        ("backup", Some(format!("{} {}", manifest.name, manifest.id))),
        ("series", Some(manifest.series_name().to_string())),
        ("status", Some(status.to_owned())),
        ("error", manifest.error.clone()),
        (
            "created",
            Some(format!("{}, in {}", session.moment(manifest.created_at), millis(manifest.duration_ms))),
        ),
        (
            "application",
            producer.application.clone().map(|name| match &producer.environment {
                Some(environment) => format!("{name}/{environment}"),
                None => name,
            }),
        ),
        ("profile", Some(session.profile(profile))),
        ("archive", archive),
        ("encryption", encryption),
        ("description", manifest.description.clone()),
        ("started by", manifest.triggered_by.clone()),
        ("reason", manifest.reason.clone()),
        ("tags", text(&manifest.tags.join(", "))),
        ("metadata", text(&metadata)),
        ("written by", Some(format!("{} {}", producer.name, producer.version))),
    ];
    for (name, fact) in facts {
        if let Some(fact) = fact {
            output.line(format!("{name:12} {fact}"));
        }
    }
    output.line("");
    entries(manifest).lines(output.width()).iter().for_each(|line| output.line(line));
    manifest.warnings.iter().for_each(|warning| output.warning(warning));
}

/// Returns the table of the entries of a backup.
pub(super) fn entries(manifest: &Manifest) -> Table {
    let mut table = Table::new([
        ("ENTITY", Align::Fixed),
        ("SET", Align::Fixed),
        ("PROVIDER", Align::Fixed),
        ("RECORDS", Align::Number),
        ("SIZE", Align::Number),
        ("COMPRESSED", Align::Number),
        ("ENCRYPTED", Align::Fixed),
        ("STATUS", Align::Text),
    ])
    .optional(&["COMPRESSED", "PROVIDER", "ENCRYPTED"]);
    for entity in &manifest.entities {
        let status = match (&entity.error, entity.status) {
            (_, EntityStatus::Completed) => "ok".to_owned(),
            (Some(error), _) => format!("failed: {error}"),
            (None, _) => "failed".to_owned(),
        };
        table.row([
            entity.entity.clone(),
            entity.set.to_string(),
            entity.provider.clone(),
            count(entity.item_count),
            size(entity.size_bytes),
            size(entity.compressed_bytes),
            if entity.policy.encrypt { "yes".to_owned() } else { "no".to_owned() },
            status,
        ]);
    }
    table
}
