//! What a configured application does: backups, restores, health, and tasks in the background.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use koan_backup::catalog::Expectations;
use koan_backup::{Compression, Event, Koan, Retention};

use super::fixture::{Folder, Item, koan};

const SHOP: &str =
    "[providers]\nmain = \"sqlite:{folder}/shop.db\"\n[storage]\nlocal = \"{folder}/backups\"\n";

fn shop(folder: &Folder) {
    folder.database("shop.db");
}

/// Waits until a condition is true.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen"));
}

#[tokio::test]
async fn a_backup_uses_the_configured_options_unless_it_sets_its_own() {
    let folder = Folder::new();
    shop(&folder);
    let text = format!("{SHOP}[backup]\nbatch_size = 1\ncompression = \"stored\"\nverify_after = true\n");
    let koan = koan(&folder, &text).await.expect("the context is built");
    let progress = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&progress);
    let count = move |event: &Event| {
        if matches!(event, Event::Progress { .. }) {
            *counter.lock().expect("no test panics") += 1;
        }
    };
    let backup = koan.backup("a").on_event(count).await.expect("the backup succeeds");
    assert!(
        *progress.lock().expect("no test panics") >= 3,
        "a batch of one row emits an event for each of the rows"
    );
    let archive = archive(&folder);
    assert!(
        archive.windows(5).any(|part| part == b"three"),
        "`stored` archives contain the records as they are"
    );
    let health = koan.catalog().health(koan.expectations()).await.expect("the catalog is read");
    assert_eq!(health.last_verification.map(|(id, _)| id), Some(backup.id()), "the backup was verified");

    let other = koan.backup("b").without_verification().compression(Compression::default());
    let other = other.await.expect("the backup succeeds");
    let health = koan.catalog().health(koan.expectations()).await.expect("the catalog is read");
    assert_ne!(health.last_verification.map(|(id, _)| id), Some(other.id()), "the builder has precedence");
}

/// Returns the bytes of the only archive.
fn archive(folder: &Folder) -> Vec<u8> {
    let mut found = Vec::new();
    let mut folders = vec![folder.path("backups")];
    while let Some(directory) = folders.pop() {
        for entry in directory.read_dir().expect("the directory is read") {
            let path = entry.expect("an entry").path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "zip" => found.push(path),
                _ => {}
            }
        }
    }
    std::fs::read(found.first().expect("an archive")).expect("the archive is read")
}

#[tokio::test]
async fn a_restore_uses_the_configured_conflict_mode_and_timeout() {
    let folder = Folder::new();
    shop(&folder);
    let text = format!("{SHOP}[restore]\non_conflict = \"fail\"\n");
    let koan = koan(&folder, &text).await.expect("the context is built");
    let _ = koan.backup("a").await.expect("the backup succeeds");
    let _ = koan.restore("a").await.expect_err("every record exists, and the conflict mode is `fail`");
    let keep = koan.restore("a").on_conflict(koan_backup::ConflictMode::Keep).await;
    assert_eq!(keep.expect("the builder has precedence").entities[0].counts.kept, 3);
}

#[tokio::test]
async fn a_time_limit_stops_a_backup() {
    let folder = Folder::new();
    shop(&folder);
    let koan =
        koan(&folder, &format!("{SHOP}[backup]\ntimeout = \"0s\"\n")).await.expect("the context is built");
    let error = koan.backup("a").await.expect_err("the time limit is zero");
    assert_eq!(error.kind(), koan_backup::ErrorKind::Timeout);
}

#[tokio::test]
async fn a_context_has_the_configured_name_policy_and_expectations() {
    let folder = Folder::new();
    shop(&folder);
    let text = format!(
        "application = \"shop\"\nenvironment = \"staging\"\n{SHOP}[backup]\nname = \"nightly\"\n\
         [retention]\nkeep_daily = 3\n\
         [expectations.series.weekly]\nbackup_within = \"8d\"\n\
         [expectations.series.nightly]\nverified_within = \"1d\"\n"
    );
    let koan = koan(&folder, &text).await.expect("the context is built");
    assert_eq!((koan.identity().application(), koan.identity().environment()), ("shop", "staging"));
    assert_eq!(koan.default_backup_name().as_str(), "nightly");
    assert_eq!(koan.retention_policy().map(ToString::to_string), Some("daily(3)".to_owned()));
    let _ = koan.backup("nightly").await.expect("the backup succeeds");
    let problems =
        async || koan.catalog().health(koan.expectations()).await.expect("the catalog is read").problems;
    let found = problems().await;
    assert!(found.iter().any(|problem| problem.contains("no backup called `weekly`")), "{found:?}");
    let unverified = |problem: &String| problem == "no backup called `nightly` was verified within 24 hours";
    assert!(found.iter().any(unverified), "{found:?}");
    let _ = koan.backup("nightly").verify_after().await.expect("the backup is verified");
    let found = problems().await;
    assert!(!found.iter().any(unverified), "the backup was verified: {found:?}");
}

#[tokio::test]
async fn maintenance_in_the_background_applies_the_retention_until_it_is_stopped() {
    let folder = Folder::new();
    shop(&folder);
    let without = koan(&folder, SHOP).await.expect("the context is built");
    for _ in 0..3 {
        let _ = without.backup("nightly").await.expect("the backup succeeds");
    }
    assert_eq!(without.backups().await.expect("the catalog is read").len(), 3);
    let text = format!("{SHOP}[retention]\nkeep_last = 1\n[maintenance]\nenabled = true\nevery = \"1s\"\n");
    let maintained = koan(&folder, &text).await.expect("the context is built");
    let count = async |koan: &Koan| koan.backups().await.expect("the catalog is read").len();
    until("the removal of two backups", async || count(&without).await == 1).await;

    // The task also runs again after its interval.
    let _ = without.backup("nightly").await.expect("the backup succeeds");
    until("the removal of the older backup", async || count(&without).await == 1).await;

    maintained.stop_background().await;
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0, "the task has stopped");
}

#[tokio::test]
async fn one_run_of_maintenance_applies_the_configured_retention_unless_it_is_told_otherwise() {
    let folder = Folder::new();
    shop(&folder);
    let koan =
        koan(&folder, &format!("{SHOP}[retention]\nkeep_last = 1\n")).await.expect("the context is built");
    for _ in 0..2 {
        let _ = koan.backup("nightly").await.expect("the backup succeeds");
    }
    let count = async || koan.backups().await.expect("the catalog is read").len();
    let _ = koan.maintenance().without_retention().await.expect("maintenance runs");
    assert_eq!(count().await, 2, "maintenance without retention has removed a backup");
    let _ = koan.maintenance().await.expect("maintenance runs");
    assert_eq!(count().await, 1, "maintenance has not applied the policy of the configuration");
}

#[tokio::test]
async fn selected_profiles_replace_the_configured_profiles_of_maintenance() {
    let folder = Folder::new();
    shop(&folder);
    let text = format!(
        "{SHOP}dr = \"{{folder}}/dr\"\nother = \"{{folder}}/other\"\n[maintenance]\nprofiles = [\"dr\"]\n"
    );
    let koan = koan(&folder, &text).await.expect("the context is built");
    let names = |report: koan_backup::maintenance::MaintenanceReport| {
        report.profiles.into_iter().map(|profile| profile.profile).collect::<Vec<_>>()
    };
    let report = koan.maintenance().await.expect("maintenance runs");
    assert_eq!(names(report), ["dr"], "the configured profile is the default");
    let report = koan.maintenance().profiles([] as [&str; 0]).await.expect("maintenance runs");
    assert_eq!(names(report), ["dr"], "an empty list selects nothing, so the default applies");
    let report = koan.maintenance().profiles("local").profiles("other").await.expect("maintenance runs");
    assert_eq!(
        names(report),
        ["local", "other"],
        "a configured profile that was not selected was maintained"
    );
}

#[test]
fn a_key_changes_only_its_own_default_of_the_builder() {
    let folder = Folder::new();
    let mut maintenance = koan_backup::maintenance::MaintenanceDefaults::default();
    maintenance.verification_enabled = false;
    maintenance.cleanup_older_than = None;
    let builder = || {
        super::fixture::builder()
            .change_backup_defaults(|options| (options.batch_size, options.verify_after) = (77, true))
            .change_restore_defaults(|options| options.timeout = Some(Duration::from_secs(78)))
            .retention_policy(Retention::new().keep_last(79).exempt_tag("legal").include_unidentified())
            .expectations(Expectations::new().every(Duration::from_secs(80)).max_loss_percent(81))
            .maintenance_defaults(maintenance.clone())
    };
    let applied = |text: &str| {
        let applied = folder.load(text).apply(builder());
        format!("{:?}", applied.expect("the configuration is applied"))
    };
    let built = applied(
        "[backup]\nmax_concurrency = 90\n[restore]\nbatch_size = 91\n[retention]\nkeep_daily = 92\n\
         [expectations]\nverified_within = \"93s\"\n[maintenance]\njitter = \"94s\"\n",
    );
    for expected in [
        "batch_size: 77",
        "verify_after: true",
        "max_concurrency: 90",
        "batch_size: 91",
        "timeout: Some(78s)",
        "last: Some(79)",
        "daily: Some(92)",
        "exempt_tags: {\"legal\"}",
        "include_unidentified: true",
        "every: Some(80s)",
        "max_loss_percent: 81",
        "verified_within: Some(93s)",
        "verification_enabled: false",
        "cleanup_older_than: None",
        "jitter: 94s",
    ] {
        assert!(built.contains(expected), "`{expected}` is missing: {built}");
    }
    let built = applied(
        "[backup]\nverify_after = false\n[retention]\nexempt_tags = [\"tax\"]\ninclude_unidentified = false\n\
         [maintenance]\nverify = true\ncleanup = true\n",
    );
    for expected in [
        "verify_after: false",
        "last: Some(79)",
        "exempt_tags: {\"tax\"}",
        "include_unidentified: false",
        "verification_enabled: true",
        "cleanup_older_than: Some(86400s)",
    ] {
        assert!(built.contains(expected), "`{expected}` is missing: {built}");
    }
}

#[tokio::test]
async fn dropping_the_last_clone_of_a_context_stops_its_tasks() {
    let folder = Folder::new();
    shop(&folder);
    let text = format!(
        "catalog_cache = \"{{folder}}/cache\"\n{SHOP}[discovery]\nenabled = true\nevery = \"1h\"\n\
         [maintenance]\nenabled = true\n"
    );
    let koan = koan(&folder, &text).await.expect("the context is built");
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let running = tasks();
    assert!(running >= 2, "discovery and maintenance are running: {running}");
    let clone = koan.clone();
    drop(koan);
    tokio::task::yield_now().await;
    assert!(tasks() >= 2, "a clone exists, so the tasks are running");
    drop(clone);
    until("the end of the tasks", async || tasks() == 0).await;
}

#[tokio::test]
async fn discovery_reads_the_catalog_into_the_cache() {
    let folder = Folder::new();
    shop(&folder);
    let other = koan(&folder, SHOP).await.expect("the context is built");
    let _ = other.backup("nightly").await.expect("the backup succeeds");
    let text = format!("catalog_cache = \"{{folder}}/cache\"\n{SHOP}[discovery]\nenabled = true\n");
    let koan = koan(&folder, &text).await.expect("the context is built");
    let is_cached = || folder.path("cache").read_dir().is_ok_and(|mut files| files.next().is_some());
    until("a file in the cache", async || is_cached()).await;
    koan.stop_background().await;
}

#[tokio::test]
async fn a_warm_up_reads_the_catalog_into_the_cache() {
    let folder = Folder::new();
    shop(&folder);
    let other = koan(&folder, SHOP).await.expect("the context is built");
    let _ = other.backup("nightly").await.expect("the backup succeeds");
    let text = format!("catalog_cache = \"{{folder}}/cache\"\nwarm_up = true\n{SHOP}");
    let koan = koan(&folder, &text).await.expect("the context is built");
    let is_cached = || folder.path("cache").read_dir().is_ok_and(|mut files| files.next().is_some());
    until("a file in the cache", async || is_cached()).await;
    koan.stop_background().await;
}

#[tokio::test]
async fn ignored_tables_are_not_uncovered() {
    let folder = Folder::new();
    let database = folder.database("shop.db");
    let connection = rusqlite::Connection::open(database).expect("the database is opened");
    connection.execute_batch("create table page_views (n integer)").expect("the table is created");
    let provider = "[providers.main]\nurl = \"sqlite:{folder}/shop.db\"\n";
    let storage = "[storage]\nlocal = \"{folder}/backups\"\n";
    let denied = koan(&folder, &format!("deny_uncovered = true\n{provider}{storage}")).await;
    let error = denied.expect_err("the table `page_views` is uncovered").to_string();
    assert!(error.contains("page_views"), "{error}");
    let ignored = "ignore_tables = { page_views = \"kept by the web server\" }\n";
    koan(&folder, &format!("deny_uncovered = true\n{provider}{ignored}{storage}"))
        .await
        .expect("the table is ignored");
    let problems = folder.problems(&format!("{provider}ignore_tables = {{ page_views = \" \" }}\n"));
    assert!(problems[0].contains("without a reason"), "{problems:?}");
}

#[tokio::test]
async fn the_options_of_sqlite_take_effect() {
    let folder = Folder::new();
    shop(&folder);
    let text = "[providers.main]\nurl = \"sqlite:{folder}/shop.db?read_only=true\"\n[storage]\nlocal = \"{folder}/b\"\n";
    let koan = koan(&folder, text).await.expect("the context is built");
    let _ = koan.backup("a").await.expect("a read-only database is backed up");
    let _ = koan.restore("a").await.expect_err("a read-only database is not restored");
    let missing = "[providers.main]\nurl = \"sqlite:{folder}/new.db\"\n";
    let problems = folder.problems(missing);
    assert!(problems[0].starts_with("koan.toml:2:7: `providers.main.url`: "), "{problems:?}");
    assert!(folder.problems(&format!("{missing}create_if_missing = true\n")).is_empty());
    assert!(folder.path("new.db").exists(), "the database was created");
}

#[tokio::test]
async fn json_files_have_the_layout_of_the_url() {
    let folder = Folder::new();
    for (layout, file) in [("lines", "lines/Item/root.jsonl"), ("documents", "documents/Item/1.json")] {
        let text = format!(
            "[providers]\nmain = \"json:{{folder}}/{layout}?layout={layout}\"\n[storage]\nlocal = \"{{folder}}/archives-of-{layout}\"\n"
        );
        let koan = koan(&folder, &text).await.expect("the context is built");
        let item = Item { id: 1, name: "one".to_owned() };
        let _ = koan.data::<Item>().upsert_many([item]).await.expect("the record is written");
        assert!(folder.path(file).exists(), "`{layout}` stores the record in `{file}`");
    }
    for (url, expected) in [
        ("json:{folder}/x?layot=lines", "has the unknown option `layot`; did you mean `layout`?"),
        ("json:{folder}/x?layout=files", "option `layout` of `providers.main.url` has an invalid value"),
        ("json:{folder}/x?layout", "contains the option `layout` without a value"),
    ] {
        let problems = folder.problems(&format!("[providers]\nmain = \"{url}\"\n"));
        assert!(problems.len() == 1 && problems[0].contains(expected), "{problems:?}");
    }
    let twice = folder.problems("[providers.main]\nurl = \"json:x?layout=lines\"\nlayout = \"lines\"\n");
    assert!(
        twice[0].contains("is set both in `providers.main.url` and in `providers.main.layout`"),
        "{twice:?}"
    );
}

#[test]
fn false_undoes_what_the_builder_enabled() {
    let folder = Folder::new();
    let applied = |text: &str| {
        let builder = super::fixture::builder()
            .deny_uncovered()
            .background_maintenance()
            .background_discovery(Duration::from_secs(70))
            .background_warm_up();
        format!("{:?}", folder.load(text).apply(builder).expect("the configuration is applied"))
    };
    let enabled =
        ["uncovered_policy: Deny", "is_maintaining: true", "discovery: Some(70s)", "is_warming_up: true"];
    let unchanged = applied("");
    for expected in enabled {
        assert!(unchanged.contains(expected), "`{expected}` is missing: {unchanged}");
    }
    let undone = applied(
        "deny_uncovered = false\nwarm_up = false\n[maintenance]\nenabled = false\n[discovery]\nenabled = false\n",
    );
    for expected in enabled {
        assert!(!undone.contains(expected), "`{expected}` was not undone: {undone}");
    }
    let other = applied("[discovery]\nevery = \"71s\"\n");
    assert!(other.contains("discovery: Some(71s)"), "the interval was not changed: {other}");
}
