//! Finds problems that would make a restore fail, as far as they can be found without writing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use koan_backup_core::{
    Result,
    provider::{Finding, RestoreTarget, Severity},
};

use super::directory::{Directory, SetPath};
use super::name;

pub(super) fn assess(directory: &Directory, targets: &[RestoreTarget]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut entities_by_path: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for target in targets {
        let entity = target.entity.name();
        let error_finding = |message: String| Finding::new(Severity::Error, entity, message);
        match directory.set_path(&name::entity_directory(&target.entity), &target.set) {
            Err(error) => findings.push(error_finding(error.chain())),
            Ok(SetPath { path, .. }) => {
                if let Err(error) = directory.refuse_links(&path) {
                    findings.push(error_finding(error.to_string()));
                }
                if let Some(read_only) = read_only_directory(directory, &path) {
                    findings.push(error_finding(format!(
                        "`{}` cannot be written; check its permissions",
                        read_only.display()
                    )));
                }
                if let Some(other) = entities_by_path.insert(path.clone(), entity) {
                    findings.push(error_finding(format!(
                        "`{}` contains the records of both {other} and {entity}; give one of them another \
                         `table`",
                        path.display()
                    )));
                }
            }
        }
    }
    Ok(findings)
}

/// Returns the first read-only directory to which the restore would have to write, or `None` if the restore
/// can write to all of them.
fn read_only_directory(directory: &Directory, path: &Path) -> Option<PathBuf> {
    let parents = path.ancestors().filter(|path| path.starts_with(&directory.root)).map(Path::to_owned);
    let mut written_directories = parents.chain([directory.hidden()]);
    let is_read_only = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|found| found.is_dir() && found.permissions().readonly())
    };
    written_directories.find(is_read_only)
}
