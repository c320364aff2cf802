//! `extract`: the content of a backup as files.

mod staged_tree;
mod tar_file;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use koan_backup_core::report::{DirectoryBackupReport, ExtractReport};
use serde::Serialize;

use crate::amounts::{count_of, length, size};
use crate::arguments;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::OutputArgs;
use crate::reference::{Accepted, Wanted, called};
use crate::session::Session;

/// The arguments of `extract`.
#[derive(Args, Clone, Debug)]
pub struct ExtractArgs {
    /// The backup: an id, its last eight digits, a name, or `latest`
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// The directory that receives the files, or the file of a tar archive
    #[arg(long, value_name = "PATH")]
    to: PathBuf,
    /// The form of the files
    #[arg(long, value_name = "LAYOUT", value_enum, default_value = "files")]
    layout: Layout,
    /// The storage profile of the backup
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Look a name up among the backups of another application, such as shop/staging
    #[arg(long, value_name = "NAME/ENVIRONMENT", value_parser = arguments::application)]
    pub(crate) from_application: Option<(String, String)>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The form of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// The entries of the archive, such as entities/User.jsonl
    Files,
    /// A directory tree, such as shop.User/2026-11-30T02-00-00Z/data.json
    Tree,
    /// A tar archive, compressed with gzip, that contains a directory tree
    #[value(name = "tar.gz")]
    TarGz,
}

/// The result of an extraction into a directory tree, in JSON.
#[derive(Serialize)]
struct TreeSummary<'a> {
    #[serde(flatten)]
    report: &'a DirectoryBackupReport,
    /// The tar archive that contains the tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<String>,
}

impl ExtractArgs {
    pub(crate) async fn run(&self, session: &Session<'_>) -> Outcome<Exit> {
        let wanted = Wanted {
            reference: &self.backup,
            profile: self.profile.as_deref(),
            application: self.from_application.as_ref(),
            accepted: Accepted::WithArchive,
            ..Wanted::default()
        };
        let manifest = wanted.select(session).await?;
        let (backup, output) = (called(session, &manifest), &session.output);
        output.note(format!("Extracting {backup} to {}", self.to.display()));
        let mut extract = session.koan.extract(manifest.id).cancel_on(session.cancel());
        if let Some(profile) = &self.profile {
            extract = extract.from_profile(profile);
        }
        match self.layout {
            Layout::Files => {
                let report = extract.to_files(&self.to).await?;
                print_files(session, &report);
                // A file that stays encrypted, or is missing, is not what a reader of the files expects.
                Ok(match (report.undecrypted.is_empty(), report.failed.is_empty()) {
                    (false, _) => Exit::Key,
                    (true, false) => Exit::Attention,
                    (true, true) => Exit::Done,
                })
            }
            Layout::Tree => {
                let report = extract.to_directory(&self.to).await?;
                print_tree(session, &report, None);
                Ok(exit_of(&report))
            }
            Layout::TarGz => {
                let tree = tar_file::Staged::new(&self.to)?;
                let report = extract.to_directory(tree.directory()).await?;
                tree.pack(session.cancel()).await?;
                print_tree(session, &report, Some(self.to.display().to_string()));
                Ok(exit_of(&report))
            }
        }
    }
}

/// Returns how an extraction into a tree ends, from which failed entities are missing.
fn exit_of(report: &DirectoryBackupReport) -> Exit {
    if report.failed.is_empty() { Exit::Done } else { Exit::Attention }
}

fn print_files(session: &Session<'_>, report: &ExtractReport) {
    let output = &session.output;
    if output.is_json() {
        output.message("summary", report);
    } else {
        let bytes = report.files.iter().map(|file| file.size_bytes).sum();
        let files = count_of(length(&report.files), "file");
        output.line(format!("extracted {} {}: {files}, {}", report.name, report.id.short(), size(bytes)));
    }
    for entity in &report.undecrypted {
        output.warning(&format!("`{entity}` is still encrypted, because no key decrypts it"));
    }
    for entity in &report.failed {
        output.warning(&format!("`{entity}` failed in the backup, so there are no files of it"));
    }
    report.notes.iter().for_each(|note| output.warning(note));
}

fn print_tree(session: &Session<'_>, report: &DirectoryBackupReport, archive: Option<String>) {
    let output = &session.output;
    if output.is_json() {
        output.message("summary", TreeSummary { report, archive });
    } else {
        let files = count_of(length(&report.files), "data file");
        let records = count_of(report.item_count(), "record");
        let target = archive.unwrap_or_else(|| format!("{} in {}", report.directory, report.root));
        output.line(format!(
            "extracted {} {} to {target}: {files}, {records}",
            report.name,
            report.id.short()
        ));
    }
    for entity in &report.failed {
        output.warning(&format!("`{entity}` failed in the backup, so it is not in the tree"));
    }
    report.warnings.iter().for_each(|warning| output.warning(warning));
}
