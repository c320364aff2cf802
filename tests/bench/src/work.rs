//! The measured operations of koan-backup. Each operation runs in its own process.

use std::path::{Path, PathBuf};
use std::process::Command;

use koan_backup::Compression;
use koan_backup::prelude::*;
use serde::{Deserialize, Serialize};

use crate::measured::{Measured, run};
use crate::{Result, encrypted, orders, postgres, streams};

/// The file name of the database in the folder of a run.
pub(crate) const DATABASE: &str = "orders.db";
/// The directory name of the storage profile in the folder of a run.
pub(crate) const STORAGE: &str = "backups";
/// The state directory in the folder.
pub(crate) const STATE: &str = "state";

/// A measured operation.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Operation {
    Backup(Compression),
    EncryptedBackup,
    PostgresBackup,
    PostgresRestore,
    StreamsBackup,
    StreamsRestore,
    SingleStreamBackup,
    Verify,
    VerifyEncrypted,
    Restore,
    RestoreUnverified,
}

impl Operation {
    /// Returns the operation that this process must perform, if another process of this program started it.
    pub(crate) fn from_arguments(arguments: &[String]) -> Result<Option<(Self, PathBuf)>> {
        match arguments {
            [flag, operation, folder] if flag == "--work" => {
                Ok(Some((serde_json::from_str(operation)?, folder.into())))
            }
            _ => Ok(None),
        }
    }

    /// Performs the operation in a new process and measures it.
    pub(crate) fn run_in_new_process(self, folder: &Path) -> Result<Measured> {
        let operation = serde_json::to_string(&self)?;
        let (output, measured) =
            run(Command::new(std::env::current_exe()?).args(["--work", &operation]).arg(folder))?;
        let reported: Measured = serde_json::from_slice(&output.stdout)?;
        Ok(Measured { wall: measured.wall, processor: measured.processor, ..reported })
    }

    /// Performs the operation in this process and prints the measurement.
    pub(crate) fn perform(self, folder: &Path) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let measured = runtime.block_on(self.run(folder))?;
        let measured = Measured { peak_memory_bytes: peak_memory_bytes()?, ..measured };
        println!("{}", serde_json::to_string(&measured)?);
        Ok(())
    }

    async fn run(self, folder: &Path) -> Result<Measured> {
        let builder = match self {
            Self::EncryptedBackup | Self::VerifyEncrypted => encrypted::context(folder)?,
            Self::PostgresBackup | Self::PostgresRestore => {
                postgres::context(folder, postgres::database_of(self))?
            }
            Self::StreamsBackup | Self::StreamsRestore | Self::SingleStreamBackup => {
                streams::context(folder)?
            }
            _ => orders::context(folder)?,
        };
        let koan = builder
            .storage(Storage::local(folder.join(STORAGE))?)
            .state_directory(folder.join(STATE))
            .build()
            .await?;
        match self {
            Self::Backup(compression) => drop(koan.backup("orders").compression(compression).await?),
            Self::PostgresBackup | Self::StreamsBackup => drop(koan.backup("orders").await?),
            Self::SingleStreamBackup => drop(koan.streams("order")?.backup(streams::LONGEST).await?),
            Self::EncryptedBackup => {
                let backup = koan.backup("orders").await?;
                backup.manifest().encryption.as_ref().ok_or("the backup is not encrypted")?;
            }
            Self::Verify | Self::VerifyEncrypted => drop(koan.verify("orders").await?.require_valid()?),
            Self::Restore | Self::PostgresRestore | Self::StreamsRestore => {
                drop(koan.restore("orders").await?)
            }
            Self::RestoreUnverified => drop(koan.restore("orders").without_verification().await?),
        }
        let manifests = koan.backups().await?;
        let manifest = manifests.first().ok_or("the storage contains no backup")?;
        Ok(Measured {
            records: manifest.verification.total_item_count,
            json_bytes: manifest.verification.total_size_bytes,
            output_bytes: manifest.archive.as_ref().map_or(0, |archive| archive.size_bytes),
            ..Measured::default()
        })
    }
}

/// Returns the peak memory of this process, as Linux reports it.
fn peak_memory_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("/proc/self/status contains no peak memory (`VmHWM`)")?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024)
}
