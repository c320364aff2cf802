//! The starter file and the guide.

use std::collections::BTreeSet;

use super::effects::leaves;
use super::fixture::Folder;
use crate::original::KEYS;
use crate::schema::Shape;

/// The guide.
const GUIDE: &str = include_str!("../../../../docs/configuration.md");

#[test]
fn the_starter_file_is_valid_also_without_its_comments() {
    let folder = Folder::new();
    let starter = crate::starter();
    let configuration = folder.load(starter);
    assert_eq!(configuration.application(), Some("shop"));
    assert_eq!(configuration.provider_names().collect::<Vec<_>>(), ["main"]);
    // Each commented setting is valid as well, if it is the only one that is set.
    let mut table = String::new();
    let mut checked = 0;
    for line in starter.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if line.starts_with('[') {
            table = line.to_owned();
        } else if line
            .split_once(" = ")
            .is_some_and(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        {
            let url = if table.starts_with("[providers.") || table == "[storage.dr]" {
                "url = \"memory:\""
            } else {
                ""
            };
            let text = if line.starts_with("url") {
                format!("{table}\n{line}\n")
            } else {
                format!("{table}\n{url}\n{line}\n")
            };
            folder.load(&text);
            checked += 1;
        }
    }
    assert!(checked > 15, "only {checked} settings were found");
}

#[test]
fn the_configuration_in_the_guide_of_best_practices_is_valid() {
    let page = include_str!("../../../../docs/best-practices.md");
    let (_, text) = page.split_once("```toml\n").expect("a configuration");
    let (text, _) = text.split_once("```").expect("the end of the configuration");
    let folder = Folder::new();
    let configuration = folder.load(text);
    assert_eq!(configuration.application(), Some("shop"));
    assert!(configuration.retention().is_some());
}

#[test]
fn readme_lists_every_key_in_the_row_of_its_section() {
    let readme = include_str!("../../../../../README.md");
    let (_, text) = readme.split_once("\n## Configuration\n").expect("the section");
    let text = text.split("\n## ").next().expect("the section has text");
    let mut keys = BTreeSet::new();
    leaves(Shape::root(), "", &mut keys);
    for key in keys.iter().filter(|key| !key.starts_with("Koan.")) {
        let key = key.replace('*', "NAME");
        let (section, name) = match key.split_once('.') {
            None => ("the top level".to_owned(), key.as_str()),
            Some((section, name)) => match name.strip_prefix("NAME.") {
                Some(name) => (format!("`[{section}.NAME]`"), name),
                None => (format!("`[{section}]`"), name),
            },
        };
        let row = text.lines().find(|line| line.starts_with(&format!("| {section} |"))).unwrap_or_default();
        assert!(
            row.contains(&format!("`{name}`")),
            "README.md has no `{name}` in the row of {section}: {row}"
        );
    }
}

#[test]
fn the_guide_has_a_row_for_every_key() {
    let mut keys = BTreeSet::new();
    leaves(Shape::root(), "", &mut keys);
    keys.retain(|key| !key.starts_with("Koan."));
    let rows: BTreeSet<_> = GUIDE
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(key, _)| key.to_owned()))
        .collect();
    let displayed = |key: &String| key.replace('*', "NAME");
    let missing: Vec<_> = keys.iter().map(displayed).filter(|key| !rows.contains(key)).collect();
    assert!(missing.is_empty(), "the guide has no row for {missing:#?}");
    for key in KEYS {
        let row = format!("Koan:{}", key.path.replace('*', "NAME"));
        assert!(rows.contains(&row), "the guide has no row for `{row}`");
        let line = GUIDE.lines().find(|line| line.starts_with(&format!("| `{row}`"))).unwrap_or_default();
        let setting = key.setting.replace('*', "NAME");
        assert!(
            line.contains(&format!("`{setting}`")) || key.setting == "backup",
            "`{row}` does not name `{setting}`: {line}"
        );
    }
    for row in rows {
        let path = row.replace("NAME", "*");
        let is_original = |key: &str| KEYS.iter().any(|known| Some(known.path) == key.strip_prefix("Koan:"));
        let is_other =
            ["Koan", "KOAN", "--"].iter().any(|prefix| path.starts_with(prefix)) || path.contains(' ');
        assert!(
            keys.contains(&path) || is_original(&path) || is_other,
            "the guide has a row for the unknown key `{row}`"
        );
    }
}
