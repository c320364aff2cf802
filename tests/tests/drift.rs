//! Tests restores of archives of a newer format, of types that have changed since the backup, and of entities
//! that no longer exist.

use koan_backup::prelude::*;
use koan_backup::{BackupId, SetName, provider::Severity, report::VerifyReport};
use koan_backup_tests::archive_surgery::{Forgery, Recompute, Vault};
use koan_backup_tests::reported_restore::restore_as_reported;
use koan_backup_tests::scripted::Scripted;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A text that is in every record of a user, and that no message may contain.
const SECRET: &str = "do-not-quote-me";

/// The types at the time of the backup.
mod archived_types {
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

/// Decodes a name. Replaces the lower-case `d` of an older format by `D`.
fn capitalised<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|name| name.replacen('d', "D", 1))
}

/// The type `User` under another name.
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

/// The type `Order` with a wider integer.
mod wider {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
    #[entity_backup]
    pub(super) struct Order {
        pub(super) id: i64,
        pub(super) total: i64,
    }
}

/// A backup of the archived types.
struct Archived {
    vault: Vault,
    id: BackupId,
}

async fn archived() -> Archived {
    archived_with(3).await
}

/// Creates a backup with this number of users and orders.
async fn archived_with(records: i64) -> Archived {
    let vault = Vault::default();
    let database = Scripted::default();
    for id in 0..records {
        let user =
            archived_types::User { id, name: format!("{SECRET} {id}"), email: format!("{id}@example.org") };
        database.put(&SetName::root(), &user);
        database.put(&SetName::root(), &archived_types::Order { id, total: 7 });
    }
    let koan = Koan::builder()
        .only_registered()
        .register::<archived_types::User>()
        .register::<archived_types::Order>()
        .provider(database)
        .named_storage("vault", vault.storage())
        .build()
        .await
        .expect("a context");
    let id = koan.backup("nightly").await.expect("a backup").id();
    Archived { vault, id }
}

/// The application at the time of the restore, which registers two types, and its database.
struct CurrentApplication {
    koan: Koan,
    database: Scripted,
}

impl Archived {
    /// Builds an application that registers two types, with an empty database.
    async fn current<A: koan_backup::Entity, B: koan_backup::Entity>(&self) -> CurrentApplication {
        let database = Scripted::default();
        let koan = Koan::builder()
            .only_registered()
            .register::<A>()
            .register::<B>()
            .provider(database.clone())
            .named_storage("vault", self.vault.storage())
            .build()
            .await
            .expect("a context");
        CurrentApplication { koan, database }
    }
}

impl CurrentApplication {
    fn users(&self) -> usize {
        self.database.len("User", &SetName::root())
    }

    /// Restores the backup with and without a prior verification, and asserts that both restores fail and
    /// write no record. Returns the error of the restore with the verification.
    async fn refused(&self, id: BackupId) -> Error {
        let error = restore_as_reported(|| self.koan.restore(id)).await.expect_err("refused");
        self.assert_empty();
        restore_as_reported(|| self.koan.restore(id).without_verification()).await.expect_err("refused");
        self.assert_empty();
        error
    }

    fn assert_empty(&self) {
        for entity in ["User", "Person", "Order"] {
            let count = self.database.len(entity, &SetName::root());
            assert_eq!(count, 0, "records of {entity} were written");
        }
    }
}

#[tokio::test]
async fn unchanged_types_are_restored_without_a_warning() {
    let archived = archived().await;
    let current = archived.current::<archived_types::User, archived_types::Order>().await;
    let check = current.koan.restore(archived.id).viability().await.expect("a report");
    assert!(check.is_viable() && check.findings.is_empty(), "{:?}", check.findings);
    let restored = current.koan.restore(archived.id).await.expect("restored");
    assert_eq!((restored.record_count(), restored.findings), (6, Vec::new()));
}

#[tokio::test]
async fn a_newer_format_is_refused_before_anything_else_and_the_error_contains_its_version() {
    let archived = archived().await;
    let current = archived.current::<archived_types::User, archived_types::Order>().await;
    let stored = archived.vault.stored(archived.id).await;
    for version in [json!(2), json!(1000), json!(u64::MAX)] {
        // First only the published manifest has the newer version, and then also its copy in the archive.
        for (altered, recompute) in [("published", Recompute::Archive), ("both", Recompute::Records)] {
            let mut forgery = Forgery::parse(&stored);
            forgery.manifest["formatVersion"] = version.clone();
            // A manifest of a newer format may contain values that this version cannot read.
            forgery.manifest["entities"][0]["policy"] = json!("as usual");
            archived.vault.write_backup(&forgery.rebuild(recompute)).await;
            for error in [
                current.refused(archived.id).await,
                current.koan.verify(archived.id).await.expect_err("refused"),
                current.koan.restore(archived.id).viability().await.expect_err("refused"),
            ] {
                assert_eq!(error.kind(), ErrorKind::Incompatible, "{altered}: {error}");
                assert!(
                    error.to_string().contains(&format!("format version {version}")),
                    "{altered}: {error}"
                );
            }
            // The backup is reported as unreadable.
            let by_name = restore_as_reported(|| current.koan.restore("nightly"))
                .await
                .expect_err("the manifest is unreadable")
                .to_string();
            assert!(by_name.contains(&format!("format version {version}")), "{altered}: {by_name}");
            assert!(current.koan.backups().await.expect("listed").is_empty());
            let unreadable = current.koan.catalog().unreadable().await.expect("listed");
            assert_eq!(unreadable.len(), 1, "{altered}: {unreadable:?}");
            assert!(
                format!("{unreadable:?}").contains(&format!("format version {version}")),
                "{altered}: {unreadable:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_invalid_format_version_is_damage() {
    let archived = archived().await;
    let current = archived.current::<archived_types::User, archived_types::Order>().await;
    let stored = archived.vault.stored(archived.id).await;
    for version in [json!("1"), json!(-1), json!(1.5), Value::Null, json!(0)] {
        let mut forgery = Forgery::parse(&stored);
        forgery.manifest["formatVersion"] = version.clone();
        archived.vault.write_backup(&forgery.rebuild(Recompute::Records)).await;
        let verified = current.koan.verify(archived.id).await;
        assert!(!verified.is_ok_and(|report| report.is_valid()), "{version}");
        current.refused(archived.id).await;
    }
}

#[tokio::test]
async fn unknown_fields_of_a_newer_writer_of_the_same_format_are_ignored() {
    let archived = archived().await;
    let current = archived.current::<archived_types::User, archived_types::Order>().await;
    let mut forgery = Forgery::parse(&archived.vault.stored(archived.id).await);
    forgery.manifest["signature"] = json!({ "by": "somebody" });
    forgery.entity("User")["note"] = json!("new");
    archived.vault.write_backup(&forgery.rebuild(Recompute::Records)).await;
    assert!(current.koan.verify(archived.id).await.expect("a report").is_valid());
    let _ = current.koan.restore(archived.id).await.expect("restored");
    assert_eq!(current.users(), 3);
}

#[tokio::test]
async fn a_field_that_the_type_does_not_have_is_refused_by_name_unless_its_loss_is_accepted() {
    let archived = archived().await;
    let current = archived.current::<without_email::User, archived_types::Order>().await;
    let check = current.koan.restore(archived.id).viability().await.expect("a report");
    assert!(!check.is_viable());
    let error = current.refused(archived.id).await;
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(error.to_string().contains("User: field `email`"), "{error}");
    assert!(error.to_string().contains(".allow_field_loss()"), "{error}");
    let restored = current.koan.restore(archived.id).allow_field_loss().await.expect("accepted");
    assert_eq!(restored.record_count(), 6);
    let found = &restored.findings[0];
    assert_eq!((found.severity, found.entity.as_deref()), (Severity::Warning, Some("User")));
    assert!(found.message.contains("`email`"), "{found}");
    let user = current.koan.data::<without_email::User>().get(&1).await.expect("readable");
    assert_eq!(user, Some(without_email::User { id: 1, name: format!("{SECRET} 1") }));
}

#[tokio::test]
async fn a_type_that_denies_unknown_fields_refuses_a_lost_field_even_if_the_loss_is_accepted() {
    let archived = archived().await;
    let current = archived.current::<strict::User, archived_types::Order>().await;
    let error = current.refused(archived.id).await;
    assert!(error.chain().contains("User") && error.chain().contains("email"), "{}", error.chain());
    let error = restore_as_reported(|| current.koan.restore(archived.id).allow_field_loss())
        .await
        .expect_err("refused");
    current.assert_empty();
    assert!(error.chain().contains("`User`"), "{}", error.chain());
    assert!(!error.chain().contains(SECRET), "{}", error.chain());
}

#[tokio::test]
async fn a_new_field_gets_its_default_and_is_reported() {
    let archived = archived().await;
    let current = archived.current::<with_default::User, archived_types::Order>().await;
    let restored = current.koan.restore(archived.id).await.expect("restored");
    assert_eq!(restored.findings.len(), 1, "{:?}", restored.findings);
    let found = &restored.findings[0];
    assert_eq!((found.severity, found.entity.as_deref()), (Severity::Note, Some("User")));
    assert!(found.message.contains("`age`"), "{found}");
    let user = current.koan.data::<with_default::User>().get(&2).await.expect("readable").expect("exists");
    assert_eq!((user.age, user.email.as_str()), (0, "2@example.org"));
    let current = archived.current::<with_option::User, archived_types::Order>().await;
    let restored = current.koan.restore(archived.id).await.expect("restored");
    assert_eq!(restored.findings[0].severity, Severity::Note);
    let user = current.koan.data::<with_option::User>().get(&2).await.expect("readable").expect("exists");
    assert_eq!(user.age, None);
}

#[tokio::test]
async fn a_new_field_without_a_default_is_reported_before_the_restore() {
    let archived = archived().await;
    let current = archived.current::<with_required::User, archived_types::Order>().await;
    let check = current.koan.restore(archived.id).viability().await.expect("a report");
    assert!(!check.is_viable(), "{:?}", check.findings);
    let found = check.findings.iter().find(|finding| finding.severity == Severity::Error);
    let found = found.expect("a finding of severity error");
    assert!(found.message.contains("`age`") && found.message.contains("serde(default)"), "{found}");
    let error = current.refused(archived.id).await;
    assert!(error.chain().contains("User") && error.chain().contains("age"), "{}", error.chain());
}

#[tokio::test]
async fn a_new_field_without_a_default_is_only_a_note_if_the_archive_has_no_record() {
    let archived = archived_with(0).await;
    let current = archived.current::<with_required::User, archived_types::Order>().await;
    let restored = current.koan.restore(archived.id).await.expect("restored");
    assert_eq!(restored.findings.len(), 1, "{:?}", restored.findings);
    assert_eq!(restored.findings[0].severity, Severity::Note);
}

#[tokio::test]
async fn a_type_that_reads_an_older_form_restores_it_in_the_current_form() {
    let archived = archived().await;
    let current = archived.current::<with_initial::User, archived_types::Order>().await;
    let _ = current.koan.restore(archived.id).await.expect("restored");
    let users = current.database.records("User", &SetName::root());
    assert_eq!(users.len(), 3);
    for (id, user) in users.iter().enumerate() {
        assert_eq!(user.values[1], koan_backup::value::Value::Str(format!("Do-not-quote-me {id}").into()));
    }
}

#[tokio::test]
async fn a_field_that_was_renamed_with_an_alias_is_restored() {
    let archived = archived().await;
    let current = archived.current::<with_alias::User, archived_types::Order>().await;
    let _ = current.koan.restore(archived.id).allow_field_loss().await.expect("restored");
    let user = current.koan.data::<with_alias::User>().get(&2).await.expect("readable").expect("exists");
    assert_eq!(user.address, "2@example.org");
}

#[tokio::test]
async fn a_changed_type_that_cannot_decode_records_is_refused_without_their_content() {
    let archived = archived().await;
    let current = archived.current::<with_number::User, archived_types::Order>().await;
    let check = current.koan.restore(archived.id).viability().await.expect("a report");
    let found = check.findings.iter().find(|finding| finding.message.contains("`name`")).expect("a finding");
    assert_eq!(found.entity.as_deref(), Some("User"));
    let error = current.refused(archived.id).await.chain();
    for text in ["`User`", "`entities/User.jsonl`", "block 0", "record 0", "`name`"] {
        assert!(error.contains(text), "{text} is not in {error}");
    }
    let unverified = restore_as_reported(|| current.koan.restore(archived.id).without_verification())
        .await
        .expect_err("refused")
        .chain();
    assert!(
        unverified.contains("`User`, block 0, record 0") && unverified.contains("`name`"),
        "{unverified}"
    );
    let report: VerifyReport = current.koan.verify(archived.id).await.expect("a report");
    assert!(!report.is_valid());
    for text in [error, unverified, format!("{report:?}"), format!("{:?}", check.findings)] {
        assert!(!text.contains(SECRET), "a message contains content of a record: {text}");
    }
}

#[tokio::test]
async fn a_changed_type_without_a_schema_in_the_archive_is_a_warning_and_is_still_checked() {
    let archived = archived().await;
    let current = archived.current::<archived_types::User, wider::Order>().await;
    let restored = current.koan.restore(archived.id).await.expect("restored");
    let found = &restored.findings[0];
    assert_eq!((found.severity, found.entity.as_deref()), (Severity::Warning, Some("Order")));
    let order = current.koan.data::<wider::Order>().get(&1).await.expect("readable");
    assert_eq!(order, Some(wider::Order { id: 1, total: 7 }));
}

#[tokio::test]
async fn an_entity_that_the_application_does_not_know_is_refused_by_name_unless_it_is_excluded() {
    let archived = archived().await;
    let current = archived.current::<archived_types::User, archived_types::User>().await;
    let error = current.refused(archived.id).await;
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    for text in ["`Order`", "alias = \"Order\"", ".exclude(\"Order\")"] {
        assert!(error.to_string().contains(text), "{text} is not in {error}");
    }
    let report = current.koan.verify(archived.id).await.expect("a report");
    assert!(report.is_valid() && report.notes[0].contains("`Order`"), "{report:?}");
    let excluded = current.koan.restore(archived.id).exclude(["Order"]).await.expect("restored");
    assert_eq!(excluded.record_count(), 3);
    let selected = current.koan.restore(archived.id).entities(["User"]).await.expect("restored");
    assert_eq!(selected.entities.len(), 1);
    let typed = current.koan.restore(archived.id).entity::<archived_types::User>().await.expect("restored");
    assert_eq!(typed.entities.len(), 1);
    assert_eq!(current.users(), 3);
    let error = restore_as_reported(|| current.koan.restore(archived.id).entities(["Order"]))
        .await
        .expect_err("the application does not know the entity");
    assert!(error.to_string().contains("`Order`"), "{error}");
    let error = restore_as_reported(|| current.koan.restore(archived.id).entities(["Nobody"]))
        .await
        .expect_err("not in the backup");
    assert!(error.to_string().contains("Nobody"), "{error}");
}

#[tokio::test]
async fn records_of_a_renamed_type_are_restored_under_its_older_name() {
    let archived = archived().await;
    let current = archived.current::<renamed::Person, archived_types::Order>().await;
    let check = current.koan.restore(archived.id).viability().await.expect("a report");
    assert!(check.is_viable() && check.findings.is_empty(), "{:?}", check.findings);
    let _ = current.koan.restore(archived.id).await.expect("restored");
    let person = current.koan.data::<renamed::Person>().get(&2).await.expect("readable").expect("exists");
    assert_eq!(person.email, "2@example.org");
    for name in ["User", "Person"] {
        let restored = current.koan.restore(archived.id).entities([name]).await.expect("restored");
        assert_eq!(restored.record_count(), 3, "{name}");
        let restored = current.koan.restore(archived.id).exclude([name]).await.expect("restored");
        assert_eq!(restored.entities[0].entity, "Order", "{name}");
    }
    let without_user = archived.current::<archived_types::Order, archived_types::Order>().await;
    assert!(without_user.refused(archived.id).await.to_string().contains("`User`"));
}
