//! Describes which directories and files the entities cover.

use std::collections::BTreeMap;

use koan_backup_core::{
    Result, SetName,
    entity::EntityCodec,
    provider::{EntityCoverage, ProviderDescription},
};

use super::directory::{Directory, EntryKind, Layout, entries};
use super::documents::Listing;
use super::name;

/// Describes which files and directories in `directory` are covered by `entities`.
pub(super) fn describe(directory: &Directory, entities: &[EntityCodec]) -> Result<ProviderDescription> {
    let mut description = ProviderDescription::default();
    description.version = match directory.layout {
        Layout::Lines => format!("JSON Lines, koan-backup {}", env!("CARGO_PKG_VERSION")),
        Layout::Documents => format!("JSON documents, koan-backup {}", env!("CARGO_PKG_VERSION")),
    };
    let found = entries(&directory.root)?;
    // On a file system that ignores case, `User` and `user` are the same directory.
    let mut owners: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for entity in entities {
        owners.entry(name::entity_directory(entity).to_lowercase()).or_default().push(entity.name());
    }
    for entity in entities {
        let name = name::entity_directory(entity);
        let mut coverage = EntityCoverage::new(entity.name());
        let mut problems = Vec::new();
        let sharing = owners.get(&name.to_lowercase()).map_or(&[][..], Vec::as_slice);
        if sharing.len() > 1 {
            problems.push(format!(
                "the directory `{name}` is shared by {} on a file system that ignores case; give one of them \
                 another `table`",
                sharing.join(" and ")
            ));
        }
        if let Some(entry) = found.iter().find(|entry| entry.name == name) {
            coverage.table = Some(name.clone());
            if entry.kind == EntryKind::Directory {
                match found_within(directory, &name) {
                    Ok((sets, others)) => {
                        coverage.sets = sets;
                        description.unmapped_tables.extend(others);
                    }
                    Err(error) => problems.push(error.chain()),
                }
            } else {
                problems.push(format!(
                    "`{}` is not a directory, so it cannot contain records of {}; move it to another path",
                    entry.path.display(),
                    entity.name()
                ));
            }
        }
        coverage.problem = (!problems.is_empty()).then(|| problems.join("; "));
        description.entities.push(coverage);
    }
    let known: Vec<String> = entities.iter().map(name::entity_directory).collect();
    let unknown = found.into_iter().map(|entry| entry.name).filter(|name| !known.contains(name));
    description.unmapped_tables.extend(unknown);
    description.unmapped_tables.sort();
    description.unmapped_tables.dedup();
    Ok(description)
}

/// Returns the sets in the directory of an entity, and the names in it that are not data of the entity.
fn found_within(directory: &Directory, name: &str) -> Result<(Vec<SetName>, Vec<String>)> {
    let contents = directory.contents(name)?;
    let mut others = contents.others;
    if directory.layout == Layout::Documents {
        for set in contents.sets.iter().filter(|set| !set.set.is_root()) {
            let inside = directory.relative(&set.path)?;
            let others_inside = Listing::read(&set.path)?.others;
            others.extend(others_inside.into_iter().map(|other| format!("{inside}/{other}")));
        }
    }
    Ok((contents.sets.into_iter().map(|set| set.set).collect(), others))
}
