//! The floors of core, as ARCHITECTURE.md lists them, are those of the code: a module uses those below it and never one above.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Uses = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_path_buf()
}

/// The floor of each module: rows of the table below the heading "Floors of core".
fn floors() -> BTreeMap<String, u8> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let (_, section) = text.split_once("## Floors of core").expect("the section of floors");
    let (section, _) = section.split_once("\n## ").expect("a section after it");
    let mut floors = BTreeMap::new();
    for row in section.lines() {
        let mut cells = row.split('|').map(str::trim);
        let (Some(floor), Some(modules)) = (cells.nth(1), cells.next()) else { continue };
        let Ok(floor) = floor.parse() else { continue };
        for module in modules.split('`').skip(1).step_by(2) {
            assert_eq!(floors.insert(module.to_owned(), floor), None, "`{module}` is on two floors");
        }
    }
    floors
}

/// The files below a folder, with their modules. Unit tests may use whatever they like.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// The modules that a source text names by `crate::module` or `crate::{module, …}`, without its comments and unit tests.
fn named(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: String = code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let mut named = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        match rest.strip_prefix('{') {
            Some(group) => {
                let group = group.split('}').next().unwrap_or_default();
                named.extend(
                    group
                        .split(',')
                        .map(|one| one.trim().split(|c| !is_word(c)).next().unwrap_or_default().to_owned()),
                );
            }
            None => {
                named.insert(rest.split(|letter| !is_word(letter)).next().unwrap_or_default().to_owned());
            }
        }
    }
    named
}

/// Which module uses which other one, and in which files.
fn uses(floors: &BTreeMap<String, u8>) -> Uses {
    let source = root().join("koan-backup-core/src");
    let mut files = Vec::new();
    sources(&source, &mut files);
    assert!(files.len() > 100, "core has more files than {}", files.len());
    let mut uses = Uses::new();
    for file in files {
        let relative = file.strip_prefix(&source).expect("below").to_string_lossy().into_owned();
        let module = relative.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        if module == "lib" || relative.contains("/tests/") {
            continue;
        }
        assert!(floors.contains_key(&module), "`{module}` has no floor in ARCHITECTURE.md");
        for other in named(&fs::read_to_string(&file).expect("a source file")) {
            if other != module && floors.contains_key(&other) {
                uses.entry(module.clone()).or_default().entry(other).or_default().insert(relative.clone());
            }
        }
    }
    uses
}

#[test]
fn no_module_of_core_uses_one_above_it() {
    let floors = floors();
    let mut upward = Vec::new();
    for (module, others) in uses(&floors) {
        for (other, files) in others {
            if floors[&other] > floors[&module] {
                upward.push(format!(
                    "`{module}` (floor {}) uses `{other}` (floor {}) in {files:?}",
                    floors[&module], floors[&other]
                ));
            }
        }
    }
    assert!(upward.is_empty(), "{}", upward.join("\n"));
}
