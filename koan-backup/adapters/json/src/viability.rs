//! Finds what would make a restore fail, as far as that can be known without writing.

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
    let mut places: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for target in targets {
        let entity = target.entity.name();
        let fault = |message: String| Finding::new(Severity::Error, entity, message);
        match directory.set_path(&name::of_type(&target.entity), &target.set) {
            Err(error) => findings.push(fault(error.chain())),
            Ok(SetPath { path, .. }) => {
                if let Err(error) = directory.refuse_links(&path) {
                    findings.push(fault(error.to_string()));
                }
                if let Some(locked) = read_only(directory, &path) {
                    findings.push(fault(format!(
                        "`{}` cannot be written; check its permissions",
                        locked.display()
                    )));
                }
                if let Some(other) = places.insert(path.clone(), entity) {
                    findings.push(fault(format!(
                        "`{}` is the place of {other} as well; give one of them another `table`",
                        path.display()
                    )));
                }
            }
        }
    }
    Ok(findings)
}

/// Returns a read-only directory in which the restore would have to write, or `None` if there is none.
fn read_only(directory: &Directory, path: &Path) -> Option<PathBuf> {
    let within = path.ancestors().filter(|at| at.starts_with(&directory.root)).map(Path::to_owned);
    let mut written = within.chain([directory.hidden()]);
    written.find(|at| fs::metadata(at).is_ok_and(|found| found.is_dir() && found.permissions().readonly()))
}
