//! Verifies that the documented table of capabilities agrees with the providers.

use koan_backup::prelude::*;
use koan_backup::provider::conformance::{Line, Pair, Specimen};
use koan_backup::{Repositories, provider::Provider};

use crate::repositories::MemoryRepository;

/// Creates each provider, with its name in the table.
fn providers(folder: &std::path::Path) -> Vec<(&'static str, Box<dyn Provider>)> {
    let database = folder.join("any.db");
    drop(rusqlite::Connection::open(&database).expect("a database"));
    let repositories = Repositories::new()
        .with::<Specimen>(MemoryRepository::new(true))
        .with::<Pair>(MemoryRepository::new(true))
        .with::<Line>(MemoryRepository::new(true));
    vec![
        ("`Sqlite`", Box::new(Sqlite::open(database).expect("opened"))),
        ("`Postgres`", Box::new(Postgres::connect("postgres://localhost/any").expect("an address"))),
        ("`JsonFiles::lines`", Box::new(JsonFiles::lines(folder.join("lines")).expect("opened"))),
        ("`JsonFiles::documents`", Box::new(JsonFiles::documents(folder.join("documents")).expect("opened"))),
        ("`Memory`", Box::new(Memory::new())),
        ("`Repositories`", Box::new(repositories)),
    ]
}

#[test]
fn the_documented_table_of_capabilities_agrees_with_the_providers() {
    let folder = tempfile::tempdir().expect("a directory");
    let providers = providers(folder.path());
    let declared_capabilities = |provider: &dyn Provider| match serde_json::to_value(provider.capabilities())
    {
        Ok(serde_json::Value::Object(capabilities)) => capabilities,
        other => panic!("the capabilities are not a JSON object: {other:?}"),
    };
    let mut table = String::from("| capability |");
    providers.iter().for_each(|(name, _)| table.push_str(&format!(" {name} |")));
    table.push_str(&format!("\n|---|{}\n", "---|".repeat(providers.len())));
    for capability in declared_capabilities(providers[0].1.as_ref()).keys() {
        table.push_str(&format!("| `{capability}` |"));
        for (_, provider) in &providers {
            let is_declared =
                declared_capabilities(provider.as_ref())[capability].as_bool().expect("true or false");
            table.push_str(if is_declared { " yes |" } else { " no |" });
        }
        table.push('\n');
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../koan-backup/docs/providers.md");
    let page = std::fs::read_to_string(path).expect("koan-backup/docs/providers.md");
    assert!(page.contains(&table), "koan-backup/docs/providers.md must have this table:\n\n{table}");
}
