//! Tests policies, scopes, the inventory and the boot report.

use koan_backup::entity::{EntityDeclaration, EntityDescriptor};
use koan_backup::entity::{
    FieldDeclaration, Policy, PolicyDeclaration, PolicySource, ScopeDeclaration, ScopeMode, Shape,
};
use koan_backup::prelude::*;
use koan_backup_test_models::Draft;
use koan_backup_tests::log::Log;
use koan_backup_tests::scripted::{Script, Scripted};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

koan_backup::link!(koan_backup_test_models);
koan_backup::entity_backup_scope!(mode = All, encrypt_by_default = false);

/// The line of the derive of `Media`.
const MEDIA_LINE: u32 = line!() + 1;
#[derive(Serialize, Deserialize, Entity)]
#[entity(route = "media")]
struct Media {
    id: i64,
}

/// The line of the derive of `LogEntry`.
const LOG_ENTRY_LINE: u32 = line!() + 1;
#[derive(Serialize, Deserialize, Entity)]
#[entity_backup(include_schema = false)]
struct LogEntry {
    id: i64,
}

fn linked() -> Inventory {
    Inventory::linked().expect("an inventory")
}

#[test]
fn entities_of_a_linked_crate_are_found_and_follow_the_scope_of_that_crate() {
    let inventory = linked();
    let included: Vec<_> = inventory.included.iter().map(ToString::to_string).collect();
    assert_eq!(
        included,
        [
            "Invoice → encrypt=false, schema=false (via #[entity_backup])",
            "LogEntry → encrypt=false, schema=false (via #[entity_backup])",
            "Media → encrypt=false, schema=true (via scope)",
        ]
    );
    assert_eq!(inventory.included[0].type_path, "koan_backup_test_models::Invoice");
}

#[test]
fn the_inventory_distinguishes_included_excluded_and_uncovered_entities() {
    let inventory = linked();
    let uncovered: Vec<_> =
        inventory.uncovered.iter().map(|gap| (gap.entity.as_str(), gap.why.as_str())).collect();
    assert_eq!(uncovered, [("Draft", "scope: None")]);
    let excluded: Vec<_> =
        inventory.excluded.iter().map(|entity| (entity.entity.as_str(), entity.reason.as_str())).collect();
    assert_eq!(excluded, [("InvoiceIndex", "rebuilt from invoices")]);
    assert!(!inventory.is_covered());
}

#[test]
#[should_panic(expected = "Draft → no backup coverage (scope: None)")]
fn a_unit_test_can_assert_full_coverage() {
    linked().assert_covered();
}

#[test]
fn the_inventory_can_be_serialised() {
    let mut json = serde_json::to_value(linked()).expect("JSON");
    assert!(json["discoveredAt"].take().is_string());
    let models = |entity: &str, line: u32| {
        json!({
            "entity": entity, "crate": "koan_backup_test_models", "location": format!("tests/models/src/lib.rs:{line}"),
            "typePath": format!("koan_backup_test_models::{entity}"), "keyType": "i64"
        })
    };
    let with = |mut entry: Value, more: Value| {
        let more = more.as_object().expect("an object").clone();
        entry.as_object_mut().expect("an object").extend(more);
        entry
    };
    let own = |entity: &str, line: u32, schema: bool, source: &str| {
        json!({
            "entity": entity, "crate": "inventory", "location": format!("tests/tests/inventory.rs:{line}"),
            "typePath": format!("inventory::{entity}"), "keyType": "i64", "sets": [],
            "policy": { "encrypt": false, "includeSchema": schema, "source": source }
        })
    };
    let policy = json!({ "encrypt": false, "includeSchema": false, "source": "attribute" });
    let counts = |name: &str, included: u32, excluded: u32, uncovered: u32| {
        json!({
            "name": name, "entityCount": included + excluded + uncovered, "includedCount": included,
            "excludedCount": excluded, "uncoveredCount": uncovered, "hasScope": true
        })
    };
    assert_eq!(
        json,
        json!({
            "discoveredAt": null,
            "included": [
                with(models("Invoice", 10), json!({ "sets": [], "policy": policy })),
                own("LogEntry", LOG_ENTRY_LINE, false, "attribute"),
                with(own("Media", MEDIA_LINE, true, "scope"), json!({ "route": "media" })),
            ],
            "excluded": [with(models("InvoiceIndex", 27), json!({ "reason": "rebuilt from invoices" }))],
            "uncovered": [with(models("Draft", 20), json!({ "why": "scope: None" }))],
            "uncoveredTables": [],
            "uncoveredColumns": [],
            "crates": [counts("inventory", 2, 0, 0), counts("koan_backup_test_models", 1, 1, 1)],
            "warnings": [],
            "remedies": ["add `#[entity_backup]`, or `#[entity_backup(enabled = false, reason = \"…\")]`"],
            "notes": [],
            "lastBackup": []
        })
    );
}

/// A database file with these tables. Each statement creates one.
fn database(folder: &std::path::Path, name: &str, statements: &str) -> Sqlite {
    let path = folder.join(name);
    let connection = rusqlite::Connection::open(&path).expect("a database");
    connection.execute_batch(statements).expect("the tables");
    Sqlite::open(&path).expect("a database")
}

/// Builds a context of `LogEntry` and `Draft` with these providers.
async fn context_of(providers: impl IntoIterator<Item = (&'static str, Sqlite)>) -> Koan {
    let builder = Koan::builder().only_registered().register::<LogEntry>().register::<Draft>();
    let builder =
        providers.into_iter().fold(builder, |all, (name, provider)| all.named_provider(name, provider));
    builder.storage(Storage::memory()).build().await.expect("a context")
}

#[tokio::test]
async fn entries_contain_the_provider_the_table_and_the_sets() {
    let folder = tempfile::tempdir().expect("a folder");
    let tables = "CREATE TABLE log_entry (id INTEGER PRIMARY KEY, message TEXT);
         CREATE TABLE \"log_entry#archive\" (id INTEGER PRIMARY KEY, message TEXT)";
    let koan = context_of([("main", database(folder.path(), "shop.db", tables))]).await;
    let json = serde_json::to_value(&*koan.inventory()).expect("JSON");
    assert_eq!(json["included"][0]["provider"], "main");
    assert_eq!(json["included"][0]["table"], "log_entry");
    assert_eq!(json["included"][0]["sets"], json!(["root", "archive"]));
    assert_eq!(json["uncovered"][0]["provider"], "main");
}

#[tokio::test]
async fn a_table_in_another_provider_suggests_the_attribute_that_selects_the_provider() {
    // The other tables are not suggested: a plural form is less probable than the name, and `log` is another name.
    let cases = [
        ("log_entry", "log_entries", "#[entity(provider = \"billing\")]"),
        ("LogEntry", "log", "#[entity(provider = \"billing\")]"),
        ("log_entries", "log", "#[entity(provider = \"billing\", table = \"log_entries\")]"),
    ];
    for (table, other, attribute) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let main = database(folder.path(), "main.db", "CREATE TABLE draft (id INTEGER PRIMARY KEY)");
        let tables =
            format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY); CREATE TABLE {other} (id INTEGER)");
        let billing = database(folder.path(), "billing.db", &tables);
        let koan = context_of([("main", main), ("billing", billing)]).await;
        let inventory = koan.inventory();
        let problem = inventory.included[0].problem.as_deref().unwrap_or_default();
        let suggestion = format!("; provider `billing` has a table `{table}`: did you mean `{attribute}`?");
        assert!(problem.ends_with(&suggestion), "{problem}");
        let warning = format!(
            "table `{table}` of `billing` belongs to no entity; LogEntry is expected in provider `main`: did you mean \
             `{attribute}` on LogEntry?"
        );
        assert!(inventory.warnings.contains(&warning), "{:?}", inventory.warnings);
        let warning = format!("table `{other}` of `billing` belongs to no entity");
        assert!(inventory.warnings.contains(&warning), "{:?}", inventory.warnings);
        let link = "link the crate that declares it with `koan_backup::link!(that_crate)` (the linked crates are \
                    `inventory`, `koan_backup_test_models`)";
        assert!(inventory.remedies.iter().any(|remedy| remedy.contains(link)), "{:?}", inventory.remedies);
    }
}

#[tokio::test]
async fn a_table_in_another_provider_is_no_suggestion_if_the_entity_has_its_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let table = "CREATE TABLE log_entry (id INTEGER PRIMARY KEY)";
    let main = database(folder.path(), "main.db", table);
    let copy = database(folder.path(), "copy.db", table);
    let koan = context_of([("main", main), ("copy", copy)]).await;
    assert_eq!(koan.inventory().included[0].problem, None);
    assert_eq!(koan.inventory().warnings, ["table `log_entry` of `copy` belongs to no entity"]);
}

async fn context(builder: koan_backup::KoanBuilder) -> Result<Koan, Error> {
    builder.named_provider("data", Scripted::new(Script::default())).storage(Storage::memory()).build().await
}

#[tokio::test]
async fn the_boot_report_logs_one_event_per_line() {
    let (log, guard) = Log::capture();
    context(Koan::builder()).await.expect("a context");
    drop(guard);
    assert_eq!(
        log.lines(),
        [
            " INFO koan::backup: inventory: 3 included, 1 uncovered, 1 excluded",
            " INFO koan::backup:   Invoice → encrypt=false, schema=false (via #[entity_backup])",
            " INFO koan::backup:   LogEntry → encrypt=false, schema=false (via #[entity_backup])",
            " INFO koan::backup:   Media → encrypt=false, schema=true (via scope)",
            " WARN koan::backup:   Draft → no backup coverage (scope: None)",
            " INFO koan::backup:   InvoiceIndex → excluded: \"rebuilt from invoices\"",
            " WARN koan::backup:   remedy → add `#[entity_backup]`, or `#[entity_backup(enabled = false, reason = \"…\")]`",
            " INFO koan::backup: crates: inventory (2 entities), koan_backup_test_models (3 entities)",
            " INFO koan::backup: sources: data; storage: memory",
        ]
    );
}

#[tokio::test]
async fn deny_uncovered_fails_the_start() {
    let error = context(Koan::builder().deny_uncovered()).await.expect_err("an entity is uncovered");
    assert_eq!(error.kind(), ErrorKind::Inventory);
    assert!(error.to_string().contains("Draft → no backup coverage"), "{error}");
}

/// Returns the error of a start that expects these crates.
async fn start_expecting(builder: koan_backup::KoanBuilder, crates: &[&str]) -> Error {
    context(builder.expect_crates(crates.iter().copied())).await.expect_err("a crate without an entity")
}

#[tokio::test]
async fn an_expected_crate_without_a_linked_entity_fails_the_start_with_the_remedy() {
    let expected = ["koan-backup-test-models", "koan_backup_test_models", "inventory"];
    context(Koan::builder().expect_crates(expected)).await.expect("all crates are linked");
    let error =
        start_expecting(Koan::builder(), &["inventory", "shop-models", "koan-backup-test-model"]).await;
    assert_eq!(error.kind(), ErrorKind::Inventory);
    assert_eq!(
        error.to_string(),
        "crate `shop-models` was expected and has no entity in this program: link it with \
         `koan_backup::link!(shop_models)`, or correct its name in `expect_crates`; the known names are `inventory`, \
         `koan_backup_test_models`; crate `koan-backup-test-model` was expected and has no entity in this program: \
         link it with `koan_backup::link!(koan_backup_test_model)`, or correct its name in `expect_crates`; did you \
         mean `koan_backup_test_models`?"
    );
}

#[tokio::test]
async fn a_registered_entity_counts_for_its_expected_crate_and_an_empty_inventory_names_the_crate() {
    let only_media = || Koan::builder().only_registered().register::<Media>();
    context(only_media().expect_crates(["inventory"])).await.expect("registered");
    let error = start_expecting(only_media(), &["koan-backup-test-models"]).await;
    assert!(error.to_string().contains("`koan_backup::link!(koan_backup_test_models)`"), "{error}");
    let error = start_expecting(Koan::builder().only_registered(), &["shop-models"]).await;
    assert!(error.to_string().contains("crate `shop-models`"), "{error}");
}

#[tokio::test]
async fn a_forgotten_scope_is_reported_with_its_macro_and_the_crate() {
    let (log, guard) = Log::capture();
    let koan = context(Koan::builder().only_registered().register::<Media>()).await.expect("a context");
    drop(guard);
    let remedy = "declare a scope in crate `inventory`: `koan_backup::entity_backup_scope!(mode = All);`, or the same \
                  macro of `koan_backup_entity`; a scope covers only its own crate; if a library of this name declares one, link it with \
                  `koan_backup::link!(inventory)`";
    assert_eq!(koan.inventory().remedies[1], remedy);
    let lines = log.lines();
    assert!(lines.contains(&format!(" WARN koan::backup:   remedy → {remedy}")), "{lines:#?}");
    let crates = " INFO koan::backup: crates: inventory (1 entity, no scope)";
    assert!(lines.iter().any(|line| line == crates), "{lines:#?}");
    let inventory = Inventory::clone(&koan.inventory());
    let panic = std::panic::catch_unwind(|| inventory.assert_covered()).expect_err("uncovered");
    assert!(panic.downcast_ref::<String>().expect("a message").contains(remedy));
}

#[tokio::test]
async fn an_empty_inventory_is_an_error_that_says_what_to_do() {
    let error = context(Koan::builder().only_registered()).await.expect_err("the inventory is empty");
    assert_eq!(error.kind(), ErrorKind::Inventory);
    assert!(error.to_string().contains("koan_backup::link!"), "{error}");
}

#[tokio::test]
async fn an_uncovered_or_excluded_entity_is_never_backed_up_even_when_it_is_selected() {
    let koan = context(Koan::builder()).await.expect("a context");
    let error = koan.backup("drafts").entities(["Draft"]).await.expect_err("an entity is uncovered");
    assert!(error.to_string().contains("`Draft` has no backup policy"), "{error}");
    let error = koan.backup("index").entities(["InvoiceIndex"]).await.expect_err("the entity is excluded");
    assert!(error.to_string().contains("rebuilt from invoices"), "{error}");
    let error = koan.backup("typo").entities(["Invocie"]).await.expect_err("no entity has this name");
    assert!(error.to_string().contains("no entity has the name `Invocie`"), "{error}");
}

/// Creates the descriptor of an entity without the derive macro, for one case of the table of policies.
fn entity_descriptor(name: &'static str, policy: Option<PolicyDeclaration>) -> &'static EntityDescriptor {
    const FIELDS: &[FieldDeclaration] = &[FieldDeclaration::new::<i64>("id", "i64").key()];
    Box::leak(Box::new(EntityDescriptor::new::<Media>(EntityDeclaration {
        name,
        aliases: &[],
        table: None,
        provider: None,
        route: None,
        module_path: "table_of_policies::entities",
        ident: name,
        file: "policies.rs",
        line: 1,
        key_type: "i64",
        policy,
        shape: Shape::Struct(FIELDS),
    })))
}

/// Returns the policy that results from a scope and an attribute, as the boot report shows it.
async fn resolved_policy(
    scope: Option<ScopeDeclaration>,
    policy: Option<PolicyDeclaration>,
) -> Result<String, Error> {
    struct Declared;
    thread_local!(
        static DECLARED: std::cell::Cell<Option<&'static EntityDescriptor>> =
            const { std::cell::Cell::new(None) }
    );
    #[derive(Serialize, Deserialize)]
    struct Row {
        id: i64,
    }
    impl Entity for Row {
        type Key = i64;
        fn key(&self) -> i64 {
            self.id
        }
        fn descriptor() -> &'static EntityDescriptor {
            DECLARED.get().expect("declared")
        }
    }
    let _ = Declared;
    DECLARED.set(Some(entity_descriptor("Row", policy)));
    let mut builder = Koan::builder().only_registered().register::<Row>();
    if let Some(scope) = scope {
        builder = builder.register_scope(Box::leak(Box::new(scope)));
    }
    let (log, guard) = Log::capture();
    let built = context(builder).await;
    drop(guard);
    built?;
    let line = log.lines().into_iter().nth(1).expect("a line for the entity");
    Ok(line.replace(" INFO koan::backup:   ", "").replace(" WARN koan::backup:   ", "WARN "))
}

fn scope(mode: ScopeMode, encrypt: Option<bool>, schema: Option<bool>) -> Option<ScopeDeclaration> {
    Some(ScopeDeclaration {
        module_path: "table_of_policies",
        file: "policies.rs",
        line: 1,
        mode,
        encrypt_by_default: encrypt,
        include_schema_by_default: schema,
    })
}

/// The policy of an attribute without options.
const BARE: PolicyDeclaration = PolicyDeclaration {
    enabled: None,
    reason: None,
    encrypt: None,
    include_schema: None,
    retention_days: None,
};

#[tokio::test]
async fn every_combination_of_scope_and_attribute_results_in_the_expected_policy() {
    let excluded = PolicyDeclaration { enabled: Some(false), reason: Some("derived"), ..BARE };
    let unencrypted = PolicyDeclaration { encrypt: Some(false), ..BARE };
    let no_schema = PolicyDeclaration { include_schema: Some(false), ..BARE };
    let with_schema = PolicyDeclaration { include_schema: Some(true), ..BARE };
    let all = |encrypt, schema| scope(ScopeMode::All, encrypt, schema);
    let none = |encrypt, schema| scope(ScopeMode::None, encrypt, schema);
    let attribute = "Row → encrypt=false, schema=true (via #[entity_backup])";
    let cases = [
        (None, Some(excluded), "Row → excluded: \"derived\""),
        (all(Some(true), None), Some(excluded), "Row → excluded: \"derived\""),
        (none(None, None), Some(excluded), "Row → excluded: \"derived\""),
        (None, Some(BARE), attribute),
        (all(None, None), Some(BARE), attribute),
        (none(None, None), Some(BARE), attribute),
        (all(Some(true), None), Some(unencrypted), attribute),
        (all(None, Some(false)), Some(BARE), "Row → encrypt=false, schema=false (via #[entity_backup])"),
        (all(None, Some(false)), Some(with_schema), attribute),
        (none(None, None), Some(no_schema), "Row → encrypt=false, schema=false (via #[entity_backup])"),
        (all(None, None), None, "Row → encrypt=false, schema=true (via scope)"),
        (all(None, Some(false)), None, "Row → encrypt=false, schema=false (via scope)"),
        (none(None, None), None, "WARN Row → no backup coverage (scope: None)"),
        (none(Some(true), None), None, "WARN Row → no backup coverage (scope: None)"),
        (None, None, "WARN Row → no backup coverage (no scope declared)"),
    ];
    for (scope, policy, expected) in cases {
        let line = resolved_policy(scope, policy).await.expect(expected);
        assert_eq!(line, expected, "{scope:?} {policy:?}");
    }
}

#[tokio::test]
async fn an_entity_that_must_be_encrypted_fails_the_start_without_recipients() {
    let encrypted = PolicyDeclaration { encrypt: Some(true), ..BARE };
    // An entity with a bare attribute stays encrypted under `encrypt_by_default`.
    let cases = [
        (scope(ScopeMode::All, Some(true), None), None),
        (scope(ScopeMode::All, Some(true), None), Some(BARE)),
        (scope(ScopeMode::None, Some(true), None), Some(BARE)),
        (None, Some(encrypted)),
    ];
    for (scope, policy) in cases {
        let error = resolved_policy(scope, policy).await.expect_err("there are no recipients");
        assert_eq!(error.kind(), ErrorKind::Encryption, "{scope:?} {policy:?}");
        assert!(error.to_string().contains("`Row`"), "{error}");
    }
}

#[tokio::test]
async fn an_exclusion_without_the_derive_macro_needs_a_reason_as_well() {
    let excluded = PolicyDeclaration { enabled: Some(false), ..BARE };
    let error = resolved_policy(None, Some(excluded)).await.expect_err("the exclusion has no reason");
    assert!(error.chain().contains("reason"), "{error:?}");
}

#[test]
fn a_policy_contains_its_source() {
    let Policy { source, .. } = linked().policy("Media").expect("the entity is included");
    assert_eq!(source, PolicySource::Scope);
}

mod same_name {
    use super::*;

    mod one {
        use super::*;

        #[derive(Serialize, Deserialize)]
        pub(super) struct Part {
            pub(super) id: i64,
        }
    }

    fn part(module_path: &'static str, line: u32) -> &'static EntityDescriptor {
        const FIELDS: &[FieldDeclaration] = &[FieldDeclaration::new::<i64>("id", "i64").key()];
        Box::leak(Box::new(EntityDescriptor::new::<one::Part>(EntityDeclaration {
            name: "Part",
            aliases: &[],
            table: None,
            provider: None,
            route: None,
            module_path,
            ident: "Part",
            file: "src/parts.rs",
            line,
            key_type: "i64",
            policy: None,
            shape: Shape::Struct(FIELDS),
        })))
    }

    impl Entity for one::Part {
        type Key = i64;
        fn key(&self) -> i64 {
            self.id
        }
        fn descriptor() -> &'static EntityDescriptor {
            part("shop::bikes", 3)
        }
    }

    #[derive(Serialize, Deserialize)]
    struct Other {
        id: i64,
    }

    impl Entity for Other {
        type Key = i64;
        fn key(&self) -> i64 {
            self.id
        }
        fn descriptor() -> &'static EntityDescriptor {
            const FIELDS: &[FieldDeclaration] = &[FieldDeclaration::new::<i64>("id", "i64").key()];
            static OTHER: EntityDescriptor = EntityDescriptor::new::<Other>(EntityDeclaration {
                name: "Part",
                aliases: &[],
                table: None,
                provider: None,
                route: None,
                module_path: "shop::cars",
                ident: "Part",
                file: "src/cars.rs",
                line: 8,
                key_type: "i64",
                policy: None,
                shape: Shape::Struct(FIELDS),
            });
            &OTHER
        }
    }

    #[tokio::test]
    async fn two_types_with_the_same_name_are_an_error_that_names_both() {
        let builder = Koan::builder().only_registered().register::<one::Part>().register::<Other>();
        let error = context(builder).await.expect_err("two entities have the same name");
        assert_eq!(
            error.to_string(),
            "two entities have the name `Part`: `shop::bikes::Part` at src/parts.rs:3 and `shop::cars::Part` at \
             src/cars.rs:8; rename one of them with `#[entity(name = \"…\")]`"
        );
    }
}

#[tokio::test]
async fn two_scopes_in_one_crate_are_an_error_that_names_both() {
    let first = Box::leak(Box::new(scope(ScopeMode::All, None, None).expect("a scope")));
    let second = Box::leak(Box::new(ScopeDeclaration { line: 9, mode: ScopeMode::None, ..*first }));
    let builder =
        Koan::builder().only_registered().register::<Media>().register_scope(first).register_scope(second);
    let error = context(builder).await.expect_err("the crate has two scopes");
    assert!(error.to_string().contains("policies.rs:1 and policies.rs:9"), "{error}");
}

#[tokio::test]
async fn an_unknown_provider_is_an_error_that_lists_the_known_providers() {
    #[derive(Serialize, Deserialize)]
    struct Elsewhere {
        id: i64,
    }
    impl Entity for Elsewhere {
        type Key = i64;
        fn key(&self) -> i64 {
            self.id
        }
        fn descriptor() -> &'static EntityDescriptor {
            const FIELDS: &[FieldDeclaration] = &[FieldDeclaration::new::<i64>("id", "i64").key()];
            static ELSEWHERE: EntityDescriptor = EntityDescriptor::new::<Elsewhere>(EntityDeclaration {
                name: "Elsewhere",
                aliases: &[],
                table: None,
                provider: Some("warehouse"),
                route: None,
                module_path: "shop",
                ident: "Elsewhere",
                file: "src/lib.rs",
                line: 1,
                key_type: "i64",
                policy: None,
                shape: Shape::Struct(FIELDS),
            });
            &ELSEWHERE
        }
    }
    let error = context(Koan::builder().only_registered().register::<Elsewhere>())
        .await
        .expect_err("the provider does not exist");
    assert!(
        error.to_string().contains("provider `warehouse`, which does not exist")
            && error.to_string().contains("the known names are `data`"),
        "{error}"
    );
    let error =
        Koan::builder().storage(Storage::memory()).build().await.expect_err("the context has no provider");
    assert_eq!(error.kind(), ErrorKind::Configuration);
}
