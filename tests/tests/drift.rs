//! Restores archives of a newer format, of types that have changed since the backup, and of entities that no
//! longer exist.

use koan_backup::prelude::*;
use koan_backup::{BackupId, SetName, provider::Severity, report::VerifyReport};
use koan_backup_tests::archive_surgery::{Forgery, Seal, Vault};
use koan_backup_tests::reported_restore::restore_as_reported;
use koan_backup_tests::scripted::Scripted;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const SECRET: &str = "do-not-quote-me";

/// The types as they were when the backup was made.
mod then {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
    #[entity_backup]
    pub(super) struct User {
        pub(super) id: i64,
        pub(super) name: String,
        pub(super) email: String,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
    #[entity_backup(include_schema = false)]
    pub(super) struct Order {
        pub(super) id: i64,
        pub(super) total: i32,
    }
}

/// Defines a module with another version of the type `User`.
macro_rules! user {
    ($module:ident, $(#[$attribute:meta])* { $($(#[$on_field:meta])* $field:ident: $ty:ty),* $(,)? }) => {
        mod $module {
            use super::*;

            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
            #[entity_backup]
            $(#[$attribute])*
            pub(super) struct User {
                $($(#[$on_field])* pub(super) $field: $ty),*
            }
        }
    };
}

user!(without_email, { id: i64, name: String });
user!(strict, #[serde(deny_unknown_fields)] { id: i64, name: String });
user!(with_default, { id: i64, name: String, email: String, #[serde(default)] age: i32 });
user!(with_option, { id: i64, name: String, email: String, age: Option<i32> });
user!(with_required, { id: i64, name: String, email: String, age: i32 });
user!(with_number, { id: i64, name: i64, email: String });
user!(with_initial, { id: i64, #[serde(deserialize_with = "super::capitalised")] name: String, email: String });
user!(with_alias, { id: i64, name: String, #[serde(alias = "email")] address: String });

/// Reads names of an older format, which begin with a lower-case letter.
fn capitalised<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|name| name.replacen('d', "D", 1))
}

mod renamed {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
    #[entity(alias = "User")]
    #[entity_backup]
    pub(super) struct Person {
        pub(super) id: i64,
        pub(super) name: String,
        pub(super) email: String,
    }
}

mod wider {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
    #[entity_backup]
    pub(super) struct Order {
        pub(super) id: i64,
        pub(super) total: i64,
    }
}

struct Archived {
    vault: Vault,
    id: BackupId,
}

async fn archived() -> Archived {
    archived_of(3).await
}

async fn archived_of(records: i64) -> Archived {
    let vault = Vault::default();
    let database = Scripted::default();
    for id in 0..records {
        let user = then::User { id, name: format!("{SECRET} {id}"), email: format!("{id}@example.org") };
        database.put(&SetName::root(), &user);
        database.put(&SetName::root(), &then::Order { id, total: 7 });
    }
    let koan = Koan::builder()
        .only_registered()
        .register::<then::User>()
        .register::<then::Order>()
        .provider("main", database)
        .storage("vault", vault.storage())
        .build()
        .await
        .expect("a context");
    let id = koan.backup("nightly").await.expect("a backup").id();
    Archived { vault, id }
}

/// The current application, which registers two types, and its database with one row.
struct Today {
    koan: Koan,
    database: Scripted,
}

impl Archived {
    async fn today<A: koan_backup::Entity, B: koan_backup::Entity>(&self) -> Today {
        let database = Scripted::default();
        let koan = Koan::builder()
            .only_registered()
            .register::<A>()
            .register::<B>()
            .provider("main", database.clone())
            .storage("vault", self.vault.storage())
            .build()
            .await
            .expect("a context");
        Today { koan, database }
    }
}

impl Today {
    fn users(&self) -> usize {
        self.database.len("User", &SetName::root())
    }

    /// Returns the error of a restore, and asserts that the restore wrote nothing.
    async fn refused(&self, id: BackupId) -> Error {
        let error = restore_as_reported(|| self.koan.restore(id)).await.expect_err("refused");
        self.empty();
        restore_as_reported(|| self.koan.restore(id).without_verification()).await.expect_err("refused");
        self.empty();
        error
    }

    fn empty(&self) {
        for entity in ["User", "Person", "Order"] {
            assert_eq!(self.database.len(entity, &SetName::root()), 0, "{entity}");
        }
    }
}

#[tokio::test]
async fn unchanged_types_are_restored_without_a_warning() {
    let archived = archived().await;
    let today = archived.today::<then::User, then::Order>().await;
    let check = today.koan.restore(archived.id).viability().await.expect("a report");
    assert!(check.is_viable() && check.findings.is_empty(), "{:?}", check.findings);
    let restored = today.koan.restore(archived.id).await.expect("restored");
    assert_eq!((restored.record_count(), restored.findings), (6, Vec::new()));
}

#[tokio::test]
async fn a_newer_format_is_refused_before_anything_else_and_says_what_differs() {
    let archived = archived().await;
    let today = archived.today::<then::User, then::Order>().await;
    let stored = archived.vault.stored(archived.id).await;
    for version in [json!(2), json!(1000), json!(u64::MAX)] {
        for (what, seal) in [("published", Seal::Archive), ("everywhere", Seal::Records)] {
            let mut forgery = Forgery::of(&stored);
            forgery.manifest["formatVersion"] = version.clone();
            // A manifest of a newer format may contain values that this version cannot read.
            forgery.manifest["entities"][0]["policy"] = json!("as usual");
            archived.vault.write_backup(&forgery.seal(seal)).await;
            for error in [
                today.refused(archived.id).await,
                today.koan.verify(archived.id).await.expect_err("refused"),
                today.koan.restore(archived.id).viability().await.expect_err("refused"),
            ] {
                assert_eq!(error.kind(), ErrorKind::Incompatible, "{what}: {error}");
                assert!(error.to_string().contains(&format!("format version {version}")), "{what}: {error}");
            }
            // The backup is reported as unreadable and hides no other backup.
            let named = restore_as_reported(|| today.koan.restore("nightly"))
                .await
                .expect_err("not readable")
                .to_string();
            assert!(named.contains(&format!("format version {version}")), "{what}: {named}");
            assert!(today.koan.backups().await.expect("listed").is_empty());
            let unreadable = today.koan.catalog().unreadable().await.expect("listed");
            assert_eq!(unreadable.len(), 1, "{what}: {unreadable:?}");
            assert!(format!("{unreadable:?}").contains(&format!("format version {version}")), "{what}");
        }
    }
}

#[tokio::test]
async fn an_invalid_format_version_is_damage() {
    let archived = archived().await;
    let today = archived.today::<then::User, then::Order>().await;
    let stored = archived.vault.stored(archived.id).await;
    for version in [json!("1"), json!(-1), json!(1.5), Value::Null, json!(0)] {
        let mut forgery = Forgery::of(&stored);
        forgery.manifest["formatVersion"] = version.clone();
        archived.vault.write_backup(&forgery.seal(Seal::Records)).await;
        let verified = today.koan.verify(archived.id).await;
        assert!(!verified.is_ok_and(|report| report.is_valid()), "{version}");
        today.refused(archived.id).await;
    }
}

#[tokio::test]
async fn what_a_newer_writer_adds_to_the_same_format_is_ignored() {
    let archived = archived().await;
    let today = archived.today::<then::User, then::Order>().await;
    let mut forgery = Forgery::of(&archived.vault.stored(archived.id).await);
    forgery.manifest["signature"] = json!({ "by": "somebody" });
    forgery.entity("User")["note"] = json!("new");
    archived.vault.write_backup(&forgery.seal(Seal::Records)).await;
    assert!(today.koan.verify(archived.id).await.expect("a report").is_valid());
    today.koan.restore(archived.id).await.expect("restored");
    assert_eq!(today.users(), 3);
}

#[tokio::test]
async fn a_field_that_the_type_does_not_have_is_refused_by_name_unless_its_loss_is_accepted() {
    let archived = archived().await;
    let today = archived.today::<without_email::User, then::Order>().await;
    let check = today.koan.restore(archived.id).viability().await.expect("a report");
    assert!(!check.is_viable());
    let error = today.refused(archived.id).await;
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(error.to_string().contains("User: field `email`"), "{error}");
    assert!(error.to_string().contains(".allow_field_loss()"), "{error}");
    let restored = today.koan.restore(archived.id).allow_field_loss().await.expect("accepted");
    assert_eq!(restored.record_count(), 6);
    let found = &restored.findings[0];
    assert_eq!((found.severity, found.entity.as_deref()), (Severity::Warning, Some("User")));
    assert!(found.message.contains("`email`"), "{found}");
    let user = today.koan.data::<without_email::User>().get(&1).await.expect("readable");
    assert_eq!(user, Some(without_email::User { id: 1, name: format!("{SECRET} 1") }));
}

#[tokio::test]
async fn a_type_that_denies_unknown_fields_refuses_a_lost_field_whatever_is_accepted() {
    let archived = archived().await;
    let today = archived.today::<strict::User, then::Order>().await;
    let error = today.refused(archived.id).await;
    assert!(error.chain().contains("User") && error.chain().contains("email"), "{}", error.chain());
    let error = restore_as_reported(|| today.koan.restore(archived.id).allow_field_loss())
        .await
        .expect_err("refused");
    today.empty();
    assert!(error.chain().contains("`User`"), "{}", error.chain());
    assert!(!error.chain().contains(SECRET), "{}", error.chain());
}

#[tokio::test]
async fn a_new_field_takes_its_default_and_is_noted() {
    let archived = archived().await;
    let today = archived.today::<with_default::User, then::Order>().await;
    let restored = today.koan.restore(archived.id).await.expect("restored");
    assert_eq!(restored.findings.len(), 1, "{:?}", restored.findings);
    let found = &restored.findings[0];
    assert_eq!((found.severity, found.entity.as_deref()), (Severity::Note, Some("User")));
    assert!(found.message.contains("`age`"), "{found}");
    let user = today.koan.data::<with_default::User>().get(&2).await.expect("readable").expect("there");
    assert_eq!((user.age, user.email.as_str()), (0, "2@example.org"));
    let today = archived.today::<with_option::User, then::Order>().await;
    let restored = today.koan.restore(archived.id).await.expect("restored");
    assert_eq!(restored.findings[0].severity, Severity::Note);
    let user = today.koan.data::<with_option::User>().get(&2).await.expect("readable").expect("there");
    assert_eq!(user.age, None);
}

#[tokio::test]
async fn a_new_field_without_a_default_is_found_before_the_restore_and_named() {
    let archived = archived().await;
    let today = archived.today::<with_required::User, then::Order>().await;
    let check = today.koan.restore(archived.id).viability().await.expect("a report");
    assert!(!check.is_viable(), "{:?}", check.findings);
    let found = check.findings.iter().find(|finding| finding.severity == Severity::Error).expect("one");
    assert!(found.message.contains("`age`") && found.message.contains("serde(default)"), "{found}");
    let error = today.refused(archived.id).await;
    assert!(error.chain().contains("User") && error.chain().contains("age"), "{}", error.chain());
}

#[tokio::test]
async fn a_new_field_without_a_default_is_noted_where_there_is_no_record() {
    let archived = archived_of(0).await;
    let today = archived.today::<with_required::User, then::Order>().await;
    let restored = today.koan.restore(archived.id).await.expect("restored");
    assert_eq!(restored.findings.len(), 1, "{:?}", restored.findings);
    assert_eq!(restored.findings[0].severity, Severity::Note);
}

#[tokio::test]
async fn a_type_that_reads_an_older_form_restores_it_in_the_current_form() {
    let archived = archived().await;
    let today = archived.today::<with_initial::User, then::Order>().await;
    today.koan.restore(archived.id).await.expect("restored");
    let users = today.database.records("User", &SetName::root());
    assert_eq!(users.len(), 3);
    for (id, user) in users.iter().enumerate() {
        assert_eq!(user.values[1], koan_backup::value::Value::Str(format!("Do-not-quote-me {id}").into()));
    }
}

#[tokio::test]
async fn a_field_renamed_with_an_alias_restores() {
    let archived = archived().await;
    let today = archived.today::<with_alias::User, then::Order>().await;
    today.koan.restore(archived.id).allow_field_loss().await.expect("restored");
    let user = today.koan.data::<with_alias::User>().get(&2).await.expect("readable").expect("there");
    assert_eq!(user.address, "2@example.org");
}

#[tokio::test]
async fn a_type_that_changed_so_that_records_do_not_decode_is_refused_without_quoting_them() {
    let archived = archived().await;
    let today = archived.today::<with_number::User, then::Order>().await;
    let check = today.koan.restore(archived.id).viability().await.expect("a report");
    let found = check.findings.iter().find(|finding| finding.message.contains("`name`")).expect("a finding");
    assert_eq!(found.entity.as_deref(), Some("User"));
    let error = today.refused(archived.id).await.chain();
    for part in ["`User`", "`entities/User.jsonl`", "block 0", "record 0", "`name`"] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    let late = restore_as_reported(|| today.koan.restore(archived.id).without_verification())
        .await
        .expect_err("refused")
        .chain();
    assert!(late.contains("`User`, block 0, record 0") && late.contains("`name`"), "{late}");
    let report: VerifyReport = today.koan.verify(archived.id).await.expect("a report");
    assert!(!report.is_valid());
    for text in [error, late, format!("{report:?}"), format!("{:?}", check.findings)] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[tokio::test]
async fn a_changed_type_without_a_schema_in_the_archive_is_a_warning_and_is_still_checked() {
    let archived = archived().await;
    let today = archived.today::<then::User, wider::Order>().await;
    let restored = today.koan.restore(archived.id).await.expect("restored");
    let found = &restored.findings[0];
    assert_eq!((found.severity, found.entity.as_deref()), (Severity::Warning, Some("Order")));
    let order = today.koan.data::<wider::Order>().get(&1).await.expect("readable");
    assert_eq!(order, Some(wider::Order { id: 1, total: 7 }));
}

#[tokio::test]
async fn an_entity_that_the_application_does_not_know_is_refused_by_name_unless_it_is_excluded() {
    let archived = archived().await;
    let today = archived.today::<then::User, then::User>().await;
    let error = today.refused(archived.id).await;
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    for part in ["`Order`", "alias = \"Order\"", ".exclude(\"Order\")"] {
        assert!(error.to_string().contains(part), "{part} is not in {error}");
    }
    let report = today.koan.verify(archived.id).await.expect("a report");
    assert!(report.is_valid() && report.notes[0].contains("`Order`"), "{report:?}");
    let left_out = today.koan.restore(archived.id).exclude(["Order"]).await.expect("restored");
    assert_eq!(left_out.record_count(), 3);
    let chosen = today.koan.restore(archived.id).entities(["User"]).await.expect("restored");
    assert_eq!(chosen.entities.len(), 1);
    let typed = today.koan.restore(archived.id).entity::<then::User>().await.expect("restored");
    assert_eq!(typed.entities.len(), 1);
    assert_eq!(today.users(), 3);
    let error = restore_as_reported(|| today.koan.restore(archived.id).entities(["Order"]))
        .await
        .expect_err("still unknown");
    assert!(error.to_string().contains("`Order`"), "{error}");
    let error = restore_as_reported(|| today.koan.restore(archived.id).entities(["Nobody"]))
        .await
        .expect_err("not in it");
    assert!(error.to_string().contains("Nobody"), "{error}");
}

#[tokio::test]
async fn a_renamed_type_restores_under_its_older_name() {
    let archived = archived().await;
    let today = archived.today::<renamed::Person, then::Order>().await;
    let check = today.koan.restore(archived.id).viability().await.expect("a report");
    assert!(check.is_viable() && check.findings.is_empty(), "{:?}", check.findings);
    today.koan.restore(archived.id).await.expect("restored");
    let person = today.koan.data::<renamed::Person>().get(&2).await.expect("readable").expect("there");
    assert_eq!(person.email, "2@example.org");
    for name in ["User", "Person"] {
        let restored = today.koan.restore(archived.id).entities([name]).await.expect("restored");
        assert_eq!(restored.record_count(), 3, "{name}");
        let restored = today.koan.restore(archived.id).exclude([name]).await.expect("restored");
        assert_eq!(restored.entities[0].entity, "Order", "{name}");
    }
    let strangers = archived.today::<then::Order, then::Order>().await;
    assert!(strangers.refused(archived.id).await.to_string().contains("`User`"));
}
