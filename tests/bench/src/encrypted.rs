//! Measures encryption against an unencrypted backup of this library and against the tool `age`.

use std::path::Path;
use std::process::Command;

use koan_backup::prelude::*;
use koan_backup::{
    KoanBuilder,
    entity::{ScopeDeclaration, ScopeMode},
};

use crate::measured::{median, run};
use crate::table::{Table, megabytes, seconds};
use crate::work::Operation;
use crate::{Result, orders, peer, remove_storage};

/// The file name of the private key, in the folder of a run.
const KEY: &str = "koan.key";
/// The file name of the public key, in the folder of a run.
const PUBLIC_KEY: &str = "koan.pub";

/// A scope that encrypts all entities.
static SCOPE: ScopeDeclaration = ScopeDeclaration {
    module_path: module_path!(),
    file: file!(),
    line: line!(),
    mode: ScopeMode::All,
    encrypt_by_default: Some(true),
    include_schema_by_default: None,
};

/// Creates a builder for a context that encrypts orders for the key in the folder.
pub(crate) fn context(folder: &Path) -> Result<KoanBuilder> {
    let key = std::fs::read_to_string(folder.join(PUBLIC_KEY))?;
    let builder = orders::provider(folder)?.register_scope(&SCOPE);
    Ok(builder.encrypt_to(Recipients::keys([key.trim()])?).keys(Keys::file(folder.join(KEY))))
}

/// Measures backups with and without encryption in alternation, then the verification of the encrypted
/// backup.
pub(crate) fn measure(table: &mut Table, folder: &Path, runs: usize) -> Result<()> {
    let script = format!("rm -f {KEY}; age-keygen -o {KEY} 2>/dev/null; age-keygen -y {KEY} > {PUBLIC_KEY}");
    run(Command::new("sh").args(["-ec", &script]).current_dir(folder))?;
    let (mut unencrypted, mut encrypted, mut dumped) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        for (operation, measured) in [
            (Operation::Backup(Compression::default()), &mut unencrypted),
            (Operation::EncryptedBackup, &mut encrypted),
        ] {
            remove_storage(folder)?;
            measured.push(operation.run_in_new_process(folder)?);
        }
        dumped.push(peer::dump(folder, &format!("gzip | age -R {PUBLIC_KEY}"))?);
    }
    let (unencrypted, ours, peer) = (median(&unencrypted), median(&encrypted), median(&dumped));
    table.against("encrypted backup, against an unencrypted backup", &ours, &unencrypted, "≤ 1.30 ×");
    table.against("  against `sqlite3 .dump \\| gzip \\| age`", &ours, &peer, "");
    table.row("  size", &megabytes(ours.output_bytes), &megabytes(peer.output_bytes), "", "");
    table.row("  peak memory", &megabytes(ours.peak_memory_bytes), "", "", "< 100 MB");
    let verified = (0..runs)
        .map(|_| Operation::VerifyEncrypted.run_in_new_process(folder))
        .collect::<Result<Vec<_>>>()?;
    table.row("verify the encrypted backup", &seconds(median(&verified).wall), "", "", "");
    remove_storage(folder)
}
