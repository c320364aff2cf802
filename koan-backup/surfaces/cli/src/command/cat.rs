//! `cat`: the records of an entity.

use clap::Args;
use futures::TryStreamExt as _;

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::reference::{Accepted, Wanted, called};
use crate::selection::SelectionArgs;
use crate::session::Session;

/// The arguments of `cat`.
#[derive(Args, Clone, Debug)]
pub struct CatArgs {
    /// The backup: an id, its last eight digits, a name, or `latest`
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// The entity, and its set if it has several: ENTITY or ENTITY#SET
    #[arg(value_name = "ENTITY[#SET]")]
    entity: String,
    /// The storage profile of the backup
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
}

impl CatArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let output = &session.output;
        let (entity, set) = match self.entity.split_once('#') {
            None => (self.entity.as_str(), None),
            Some((entity, set)) => (entity, Some(set)),
        };
        let selection = SelectionArgs { entities: vec![entity.to_owned()], ..SelectionArgs::default() };
        let wanted = Wanted {
            reference: &self.backup,
            profile: self.profile.as_deref(),
            selection: Some(&selection),
            accepted: Accepted::WithArchive,
            ..Wanted::default()
        };
        let manifest = wanted.find(session).await?;
        output.note(format!("Reading {}", called(session, &manifest)));
        let mut records = session.koan.records(manifest.id).entity(entity).cancel_on(session.cancel());
        if let Some(set) = set {
            records = records.set(set);
        }
        if let Some(profile) = &self.profile {
            records = records.from_profile(profile);
        }
        let mut records = records.await?;
        // The stream ends with an error if the content differs from its hash.
        while let Some(lines) = records.try_next().await? {
            output.bytes(&lines);
            if output.has_fault() {
                break;
            }
        }
        Ok(Exit::Done)
    }
}
