//! `ls`: the entries of a backup.

use clap::Args;
use koan_backup_core::archive::{EntityManifest, EntityStatus};
use serde::Serialize;

use super::show;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::reference::{Wanted, called};
use crate::session::Session;

/// The flags of `ls`.
#[derive(Args, Clone, Debug)]
pub struct LsArgs {
    /// The backup: an id, its last eight digits, a name, or `latest`
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// The storage profile of the backup
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// An entry in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    entity: &'a str,
    set: &'a str,
    provider: &'a str,
    file: Option<&'a str>,
    status: EntityStatus,
    error: Option<&'a str>,
    records: u64,
    bytes: u64,
    compressed_bytes: u64,
    encrypted: bool,
}

impl<'a> From<&'a EntityManifest> for Entry<'a> {
    fn from(entity: &'a EntityManifest) -> Self {
        Self {
            entity: &entity.entity,
            set: entity.set.as_str(),
            provider: &entity.provider,
            file: entity.storage_file.as_deref(),
            status: entity.status,
            error: entity.error.as_deref(),
            records: entity.item_count,
            bytes: entity.size_bytes,
            compressed_bytes: entity.compressed_bytes,
            encrypted: entity.policy.encrypt,
        }
    }
}

impl LsArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let (output, profile) = (&session.output, self.profile.as_deref());
        let wanted = Wanted { reference: &self.backup, profile, ..Wanted::default() };
        let manifest = wanted.find(session).await?;
        if output.is_json() {
            output.json(&manifest.entities.iter().map(Entry::from).collect::<Vec<_>>());
        } else {
            output.note(called(session, &manifest));
            show::entries(&manifest).lines(output.width()).iter().for_each(|line| output.line(line));
        }
        Ok(Exit::Done)
    }
}
