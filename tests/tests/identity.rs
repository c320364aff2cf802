//! Tests applications that share a storage profile: each uses only its own backups, unless a call selects
//! another application.

use koan_backup::prelude::*;
use koan_backup::{
    ArchiveEncryption, BackupId, Keys, KoanBuilder, Recipients, Retention, SetName,
    catalog::Expectations,
    provider::{Finding, Severity},
};
use koan_backup_tests::archive_surgery::{Forgery, Recompute, Vault};
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::scripted::Scripted;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct Invoice {
    id: i64,
}

const NAME: &str = "nightly";

/// A storage profile that several applications share.
struct Profile {
    vault: Vault,
    clock: HandClock,
}

impl Profile {
    fn new() -> Self {
        Self { vault: Vault::default(), clock: HandClock::at("2026-11-01T03:00:00Z") }
    }

    /// Returns a builder of a context whose database contains this number of records.
    fn builder(&self, records: i64) -> KoanBuilder {
        let database = Scripted::default();
        (0..records).for_each(|id| database.put(&SetName::root(), &Invoice { id }));
        Koan::builder()
            .provider(database)
            .named_storage("shared", self.vault.storage())
            .clock(self.clock.clone())
    }

    async fn koan(&self, application: &str, environment: &str) -> Koan {
        let koan = self.builder(3).application(application).environment(environment);
        koan.build().await.expect("a context")
    }

    async fn backup(&self, koan: &Koan) -> BackupId {
        self.clock.pass(1);
        koan.backup(NAME).await.expect("a backup").id()
    }

    /// Changes a backup into the form of an older version of the library, which recorded no environment.
    async fn rewrite_as_older_version(&self, id: BackupId, application: Option<&str>) {
        let mut forgery = Forgery::parse(&self.vault.stored(id).await);
        let manifest = forgery.manifest.as_object_mut().expect("an object");
        manifest.remove("series");
        let producer = manifest["producer"].as_object_mut().expect("an object");
        producer.remove("environment");
        producer.insert("application".to_owned(), application.into());
        self.vault.write_backup(&forgery.rebuild(Recompute::Documents)).await;
    }
}

/// Returns whether a finding that is not an error contains a text.
fn has_finding(findings: &[Finding], text: &str) -> bool {
    findings.iter().any(|finding| finding.message.contains(text) && finding.severity != Severity::Error)
}

#[tokio::test]
async fn a_lookup_by_name_finds_only_backups_of_the_application_and_environment() {
    let profile = Profile::new();
    let production = profile.koan("shop", "production").await;
    let others = [profile.koan("shop", "staging").await, profile.koan("till", "production").await];
    let own = profile.backup(&production).await;
    let mut foreign = Vec::new();
    for other in &others {
        foreign.push(profile.backup(other).await);
    }
    assert_eq!(production.identity().to_string(), "application `shop` in `production`");
    let restored = production.restore(NAME).await.expect("restored");
    assert_eq!((restored.id, restored.findings.as_slice()), (own, &[][..]));
    assert_eq!(production.restore(NAME).viability().await.expect("assessed").id, own);
    assert_eq!(production.verify(NAME).await.expect("read").id, own);
    assert_eq!(production.catalog().latest().await.expect("listed").map(|entry| entry.id()), Some(own));
    let named = production.catalog().by_name(NAME).await.expect("listed");
    assert_eq!(named.iter().map(|entry| entry.id()).collect::<Vec<_>>(), [own]);
    assert_eq!(
        production.catalog().all().await.expect("listed").len(),
        3,
        "a list contains the backups of all applications"
    );
    let query = production.catalog().query().from_application("till", "production").await.expect("listed");
    assert_eq!(query.entries.iter().map(|entry| entry.id()).collect::<Vec<_>>(), foreign[1..]);

    // The call selects another application, and every report contains a note about it.
    let restored = production.restore(NAME).from_application("shop", "staging").await.expect("restored");
    assert_eq!(restored.id, foreign[0]);
    assert!(has_finding(&restored.findings, "made by application `shop` in `staging`"), "{restored:?}");
    let viability = production.restore(NAME).from_application("till", "production").viability().await;
    let viability = viability.expect("assessed");
    assert!(viability.id == foreign[1] && has_finding(&viability.findings, "`till`"), "{viability:?}");
    let verified = production.verify(NAME).from_application("shop", "staging").await.expect("read");
    assert!(
        verified.id == foreign[0]
            && verified.is_valid()
            && verified.notes.iter().any(|note| note.contains("`staging`")),
        "{verified:?}"
    );
    let diff = production.diff(NAME, NAME).after_from_application("shop", "staging").await.expect("compared");
    assert_eq!((diff.before, diff.after, diff.notes.len()), (own, foreign[0], 1));
    let both = production.diff(NAME, NAME).from_application("till", "production").await.expect("compared");
    assert_eq!((both.before, both.after), (foreign[1], foreign[1]));
    // An id finds a backup of any application.
    let restored = production.restore(foreign[0]).await.expect("restored");
    assert!(has_finding(&restored.findings, "made by application `shop` in `staging`"), "{restored:?}");
}

#[tokio::test]
async fn a_name_that_only_another_application_uses_is_not_found_and_the_error_states_the_remedy() {
    let profile = Profile::new();
    let staging = profile.koan("shop", "staging").await;
    profile.backup(&staging).await;
    let production = profile.koan("shop", "production").await;
    let error = production.restore(NAME).await.expect_err("the application has no such backup");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    for text in
        ["application `shop` in `production`", "application `shop` in `staging`", ".from_application("]
    {
        assert!(error.to_string().contains(text), "`{text}` is not in {error}");
    }
    for error in [
        production.verify(NAME).await.expect_err("the application has no such backup"),
        production.rekey(NAME).await.expect_err("the application has no such backup"),
        production.diff(NAME, NAME).await.expect_err("the application has no such backup"),
        production.restore(NAME).from_application("shop", "").await.expect_err("no such application"),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    }
    assert!(production.catalog().latest().await.expect("listed").is_none());
}

#[tokio::test]
async fn a_copy_has_the_identity_of_its_backup() {
    let (profile, far) = (Profile::new(), Vault::default());
    let staging = profile.koan("shop", "staging").await;
    let id = profile.backup(&staging).await;
    let production = profile.builder(1).application("shop").environment("production");
    let production = production.named_storage("far", far.storage()).build().await.expect("a context");
    let error =
        production.copy(NAME).to_profile("far").await.expect_err("the application has no such backup");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let copy = production.copy(NAME).to_profile("far").from_application("shop", "staging").await;
    assert!(copy.expect("copied").warnings.iter().any(|warning| warning.contains("`staging`")));
    let copied = &production.backups_in(Some("far")).await.expect("listed")[0];
    assert_eq!((copied.id, copied.producer.environment.as_deref()), (id, Some("staging")));
    let error =
        production.restore(NAME).from_profile("far").await.expect_err("the application has no such backup");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn retention_counts_and_removes_only_the_backups_of_its_application() {
    let profile = Profile::new();
    let (production, staging) =
        (profile.koan("shop", "production").await, profile.koan("shop", "staging").await);
    let mut own = Vec::new();
    let mut foreign = Vec::new();
    for _ in 0..3 {
        own.push(profile.backup(&production).await);
        foreign.push(profile.backup(&staging).await);
    }
    let retention = production.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    assert_eq!((plan.decisions.len(), plan.other_applications), (3, 3), "{plan}");
    assert!(
        plan.to_string().contains("backups of other applications, which are not considered: 3"),
        "{plan}"
    );
    // A new backup of another application does not affect the plan.
    foreign.push(profile.koan("shop", "staging").await.backup(NAME).await.expect("a backup").id());
    let report = retention.apply(&plan).await.expect("applied");
    assert_eq!(report.removed.iter().map(|backup| backup.id).collect::<Vec<_>>(), own[..2]);
    let left: Vec<_> =
        production.backups().await.expect("listed").iter().map(|manifest| manifest.id).collect();
    assert_eq!(left.len(), 5);
    assert!(foreign.iter().all(|id| left.contains(id)));
    let maintained =
        production.maintenance().retention(Retention::new().keep_last(1)).await.expect("completed");
    assert!(maintained.is_clean(), "{maintained:?}");
    assert_eq!(
        maintained.profiles[0].verified,
        Some(own[2]),
        "only backups of this application are verified"
    );
    assert_eq!(production.backups().await.expect("listed").len(), 5);
}

#[tokio::test]
async fn health_and_statistics_count_only_the_backups_of_the_application() {
    let profile = Profile::new();
    let production = profile.builder(1).application("shop").environment("production");
    let production = production.build().await.expect("a context");
    let staging = profile.koan("shop", "staging").await;
    profile.backup(&staging).await;
    let expected = Expectations::new().every(std::time::Duration::from_secs(86_400));
    let health = async || production.catalog().health(&expected).await.expect("assessed");
    assert_eq!(health().await.last_success, None, "a backup of staging does not count");
    let own = profile.backup(&production).await;
    let after = health().await;
    assert_eq!(after.last_success.map(|(id, _)| id), Some(own));
    assert!(after.is_healthy(), "the record counts of staging were compared with production: {after:?}");
    let statistics = production.catalog().statistics().await.expect("counted");
    assert_eq!((statistics.backups, statistics.by_entity["Invoice"].records), (1, 1));
}

#[tokio::test]
async fn backups_without_an_environment_are_used_with_a_message_and_removed_only_on_request() {
    let profile = Profile::new();
    let koan = profile.koan("shop", "production").await;
    let mut older = Vec::new();
    for application in [None, Some("shop"), Some("till")] {
        let id = profile.backup(&koan).await;
        profile.rewrite_as_older_version(id, application).await;
        older.push(id);
    }
    let [unnamed, same, other] = older[..] else { panic!("there are three older backups") };
    // A lookup by name does not find the backup of another application.
    let restored = koan.restore(NAME).await.expect("restored");
    assert_eq!(restored.id, same);
    assert!(has_finding(&restored.findings, "recorded no environment"), "{restored:?}");
    let verified = koan.verify(NAME).await.expect("read");
    assert!(
        verified.is_valid() && verified.notes.iter().any(|note| note.contains("recorded no environment"))
    );
    let listed = koan.catalog().by_name(NAME).await.expect("listed");
    assert_eq!(listed.iter().map(|entry| entry.id()).collect::<Vec<_>>(), [same, unnamed]);
    assert_eq!(koan.catalog().latest().await.expect("listed").map(|entry| entry.id()), Some(same));
    assert_eq!(koan.catalog().health(&Expectations::new()).await.expect("assessed").unidentified, 2);
    // Like retention, `rekey_all` skips backups that may belong to another application.
    let summary = koan.rekey_all().await.expect("listed");
    assert_eq!(
        (summary.unidentified.as_slice(), summary.other_applications.as_slice()),
        (&[same, unnamed][..], &[other][..])
    );
    assert!(
        summary.failed.is_empty() && summary.notes()[0].contains(".include_unidentified()"),
        "{summary:?}"
    );
    let summary = koan.rekey_all().include_unidentified().await.expect("listed");
    // The rekeys fail because the context has no recipients.
    let failed: Vec<_> = summary.failed.iter().map(|(id, _)| *id).collect();
    assert!(failed == [same, unnamed] && summary.unidentified.is_empty(), "{summary:?}");
    // A lookup by name prefers the application's own backup to newer unidentified backups.
    let own = profile.backup(&koan).await;
    let newer = profile.backup(&koan).await;
    profile.rewrite_as_older_version(newer, None).await;
    assert_eq!(koan.restore(NAME).await.expect("restored").id, own);

    let plan = async |retention: Retention| koan.retention(retention).plan().await.expect("a plan");
    let without = plan(Retention::new().keep_last(1)).await;
    assert_eq!(
        (without.decisions.len(), without.unidentified, without.other_applications),
        (1, 3, 1),
        "{without}"
    );
    assert!(without.to_string().contains(".include_unidentified()"), "{without}");
    let retention = Retention::new().keep_last(1).include_unidentified();
    let with = plan(retention.clone()).await;
    assert_eq!((with.decisions.len(), with.removals().count(), with.unidentified), (4, 3, 0), "{with}");
    let _ = koan.retention(retention).apply(&with).await.expect("applied");
    let left: Vec<_> = koan.backups().await.expect("listed").iter().map(|manifest| manifest.id).collect();
    assert_eq!(left, [newer, other], "the backup of another application stays");
}

#[tokio::test]
async fn the_envelope_of_an_encrypted_archive_contains_identity_and_series() {
    let profile = Profile::new();
    let identity = age::x25519::Identity::generate();
    let recipients = Recipients::keys([identity.to_public().to_string()]).expect("a key");
    let koan = async |environment: &str, keys: Option<Keys>| {
        let storage = profile.vault.storage().archive_encryption(ArchiveEncryption::Always);
        let koan = Koan::builder().provider(Scripted::default()).named_storage("shared", storage);
        let koan = koan.application("shop").environment(environment).encrypt_to(recipients.clone());
        let koan = koan.clock(profile.clock.clone());
        match keys {
            Some(keys) => koan.keys(keys),
            None => koan,
        }
        .build()
        .await
        .expect("a context")
    };
    let (staging, production) = (koan("staging", None).await, koan("production", None).await);
    let foreign = staging.backup("nightly-2026-11-01").series("sealed").await.expect("a backup");
    assert_eq!(foreign.series().as_str(), "sealed");
    let mut own = Vec::new();
    for day in 1..=3 {
        profile.clock.pass(24);
        let backup = production.backup(format!("nightly-2026-11-0{day}")).await.expect("a backup");
        assert_eq!(backup.series().as_str(), "nightly");
        own.push(backup.id());
    }
    let envelopes = production.backups().await.expect("listed");
    let envelope = envelopes.iter().find(|manifest| manifest.id == foreign.id()).expect("listed");
    assert_eq!(envelope.producer.environment.as_deref(), Some("staging"));
    assert_eq!(envelope.series_name().as_str(), "sealed");
    // The application applies the retention without a key.
    let retention = production.retention(Retention::new().keep_last(1));
    let plan = retention.plan().await.expect("a plan");
    let _ = retention.apply(&plan).await.expect("applied");
    let left: Vec<_> =
        production.backups().await.expect("listed").iter().map(|manifest| manifest.id).collect();
    assert_eq!(left, [own[2], foreign.id()]);
    // With a key, a verification finds that the envelope agrees with the archive.
    use age::secrecy::ExposeSecret as _;
    let with_key = koan("production", Some(Keys::text(identity.to_string().expose_secret()))).await;
    assert!(with_key.verify(own[2]).await.expect("read").is_valid());
    // `rekey_all` leaves the backups of other applications unchanged.
    let summary = with_key.rekey_all().await.expect("rekeyed");
    assert_eq!(
        (summary.rekeyed.len(), summary.other_applications.as_slice()),
        (1, &[foreign.id()][..]),
        "{summary:?}"
    );
    let _ = summary.require_all().expect("all backups of the application were rekeyed");
    assert_eq!(with_key.backups().await.expect("listed")[0].series_name().as_str(), "nightly");
}

#[tokio::test]
async fn unusual_application_names_are_distinguished() {
    let profile = Profile::new();
    let names = ["shop", "Shop", "a/b", "../x", "日本", "it's; \"quoted\"", "a#b", "%2e%2e"];
    let mut made = Vec::new();
    for name in names {
        for environment in ["production", "日本/1"] {
            let koan = profile.koan(name, environment).await;
            made.push((koan.clone(), profile.backup(&koan).await));
        }
    }
    for (koan, id) in made {
        assert_eq!(koan.restore(NAME).await.expect("restored").id, id, "{}", koan.identity());
    }
    for name in ["", " shop", "a\nb", "\u{202e}x"] {
        for koan in [profile.builder(1).application(name), profile.builder(1).environment(name)] {
            let error = koan.build().await.expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::InvalidName, "{name:?}");
        }
    }
    let error = profile.koan("shop", "test").await.backup(NAME).series("a/b").await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::InvalidName);
}

#[tokio::test]
async fn records_of_another_database_are_restored_and_the_difference_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let koan = async |file: &str| {
        let path = folder.path().join(file);
        let database = rusqlite::Connection::open(&path).expect("a database");
        database
            .execute_batch("CREATE TABLE IF NOT EXISTS Invoice (id INTEGER PRIMARY KEY)")
            .expect("a table");
        let backups = Storage::local(folder.path().join("backups")).expect("a folder");
        let sqlite = Sqlite::open(&path).expect("opened");
        Koan::builder().provider(sqlite).storage(backups).build().await.expect("a context")
    };
    let first = koan("first.db").await;
    let _ = first.backup(NAME).await.expect("a backup");
    assert_eq!(first.restore(NAME).await.expect("restored").findings, []);
    let second = koan("second.db").await;
    let restored = second.restore(NAME).await.expect("another database is not an error");
    assert!(
        has_finding(&restored.findings, "first.db") && has_finding(&restored.findings, "second.db"),
        "{restored:?}"
    );
    assert!(restored.findings.iter().all(|finding| finding.severity == Severity::Note));
    let viability = second.restore(NAME).viability().await.expect("assessed");
    assert!(viability.is_viable() && has_finding(&viability.findings, "first.db"), "{viability:?}");
}

#[tokio::test]
async fn a_loss_that_another_application_accepted_is_not_accepted_for_this_application() {
    let profile = Profile::new();
    let koan_with = async |environment: &str, records: i64| {
        let koan = profile.builder(records).application("shop").environment(environment);
        koan.build().await.expect("a context")
    };
    let before = profile.backup(&koan_with("production", 100).await).await;
    profile.backup(&koan_with("staging", 100).await).await;
    let staging = koan_with("staging", 0).await;
    let lost = profile.backup(&staging).await;
    staging.catalog().acknowledge(lost, "a new test").await.expect("acknowledged");
    let production = koan_with("production", 0).await;
    let after = profile.backup(&production).await;
    let health = production.catalog().health(&Expectations::new()).await.expect("assessed");
    assert_eq!(health.size_drops.iter().map(|loss| loss.backup).collect::<Vec<_>>(), [after], "{health:?}");
    let retention = production.retention(Retention::new().keep_last(1));
    let _ = retention.apply(&retention.plan().await.expect("a plan")).await.expect("applied");
    assert!(production.verify(before).await.expect("the backup was not removed").is_valid());
}
