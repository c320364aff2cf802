//! Outside of a Tokio runtime with timers, every operation is refused with the remedy. Nothing panics, and
//! nothing is printed.

use std::cell::Cell;
use std::future::IntoFuture;
use std::panic;
use std::pin::pin;
use std::sync::Once;
use std::task::{Context, Poll, Waker};

use futures::StreamExt as _;
use koan_backup::prelude::*;
use koan_backup::{BackupId, KeySource as _, Retention};
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct User {
    id: i64,
}

thread_local! {
    /// The number of calls of the panic hook on this thread.
    static HOOK_CALLS: Cell<usize> = const { Cell::new(0) };
}

/// Installs a panic hook that counts its calls by thread.
fn count_panics() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            HOOK_CALLS.set(HOOK_CALLS.get() + 1);
            default(info);
        }));
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn builder() -> koan_backup::KoanBuilder {
    Koan::builder().provider(Memory::new()).storage(Storage::memory()).named_storage("far", Storage::memory())
}

/// Polls a future once, as an executor without a runtime does.
fn polled<T>(operation: impl IntoFuture<Output = Result<T>>) -> Option<Error> {
    let mut operation = pin!(operation.into_future());
    match operation.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.err(),
        Poll::Pending => None,
    }
}

/// Runs every operation of `koan` on this thread, and returns the error of each.
fn errors(
    koan: &Koan,
    id: BackupId,
    plan: &koan_backup::retention::RetentionPlan,
) -> Vec<(&'static str, Error)> {
    koan.install();
    let catalog = koan.catalog();
    let retention = Retention::new().daily(7);
    let expected = koan_backup::catalog::Expectations::new();
    let data = koan.data::<User>();
    let attempts = [
        ("build", polled(builder().build())),
        ("backup", polled(koan.backup("x"))),
        ("restore", polled(koan.restore("x"))),
        ("viability", polled(koan.restore("x").viability())),
        ("verify", polled(koan.verify("x"))),
        ("copy", polled(koan.copy("x").to_profile("far"))),
        ("rekey", polled(koan.rekey("x"))),
        ("rekey_all", polled(koan.rekey_all())),
        ("diff", polled(koan.diff("x", "y"))),
        ("delete", polled(koan.delete(id))),
        ("pin", polled(koan.pin(id, None, "a reason"))),
        ("unpin", polled(koan.unpin(id, None))),
        ("backups", polled(koan.backups())),
        ("backups_in", polled(koan.backups_in(Some("far")))),
        ("maintenance", polled(koan.maintenance())),
        ("maintenance in the background", koan.maintenance().start().err()),
        ("retention plan", polled(koan.retention(retention.clone()).plan())),
        ("retention apply", polled(koan.retention(retention).apply(plan))),
        ("catalog all", polled(catalog.all())),
        ("catalog recent", polled(catalog.recent(7))),
        ("catalog latest", polled(catalog.latest())),
        ("catalog get", polled(catalog.get(id))),
        ("catalog by_name", polled(catalog.by_name("x"))),
        ("catalog query", polled(catalog.query().name("x"))),
        ("catalog first", polled(catalog.query().first())),
        ("catalog stream", polled(async { pin!(catalog.query().stream()).next().await.expect("an item") })),
        ("catalog statistics", polled(catalog.statistics())),
        ("catalog verifications", polled(catalog.verifications())),
        ("catalog acknowledge", polled(catalog.acknowledge(id, "a reason"))),
        ("catalog health", polled(catalog.health(&expected))),
        ("catalog unreadable", polled(catalog.unreadable())),
        ("recover", polled(catalog.recover())),
        ("data get", polled(data.get(&1))),
        ("data count", polled(data.count())),
        ("data stream", polled(async { pin!(data.all_stream()).next().await.expect("an item") })),
        ("data upsert_many", polled(data.upsert_many([User { id: 1 }]))),
        ("data clear", polled(data.clear())),
        ("User::backup_to", polled(User::backup_to("x"))),
        ("User::restore_from", polled(User::restore_from("x"))),
        ("User::backups", polled(User::backups())),
        ("Backup::all", polled(Backup::all("x"))),
        ("Backup::selected", polled(Backup::selected("x").entity::<User>())),
        ("Backup::verify", polled(Backup::verify("x"))),
        ("Backup::catalog", polled(Backup::catalog().all())),
        ("Restore::all", polled(Restore::all("x"))),
    ];
    attempts.map(|(name, error)| (name, error.unwrap_or_else(|| panic!("{name} is refused")))).into()
}

#[test]
fn every_operation_without_a_runtime_or_timers_is_refused_without_a_printed_panic() {
    count_panics();
    let (koan, id, plan) = runtime().block_on(async {
        let koan = builder().build().await.expect("a context");
        let id = koan.backup("x").await.expect("a backup").id();
        let plan = koan.retention(Retention::new().daily(7)).plan().await.expect("a plan");
        (koan, id, plan)
    });
    let all_refused = |problem: &str| {
        for (name, error) in errors(&koan, id, &plan) {
            assert_eq!(error.kind(), ErrorKind::Configuration, "{name}: {error:?}");
            let text = error.to_string();
            assert!(text.contains(problem) && text.contains("#[tokio::main]"), "{name}: {text}");
        }
        let report = futures::executor::block_on(koan.warm_up());
        assert!(!report.is_clean());
        let problems = report.providers.iter().map(|provider| &provider.problem);
        for problem_of_one in problems.chain(report.profiles.iter().map(|profile| &profile.problem)) {
            assert!(problem_of_one.as_ref().is_some_and(|text| text.contains(problem)), "{problem_of_one:?}");
        }
    };
    all_refused("there is no Tokio runtime");
    let error = futures::executor::block_on(builder().build()).expect_err("no runtime");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    for mut without_timers in
        [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()]
    {
        let runtime = without_timers.build().expect("a runtime");
        runtime.block_on(async { all_refused("the Tokio runtime has no timers") });
    }
    assert_eq!(HOOK_CALLS.get(), 0, "no panic is printed");
    panic::catch_unwind(|| panic!("a panic of the application")).expect_err("it panics");
    assert_eq!(HOOK_CALLS.get(), 1, "the panic hook of the application is still installed");
    runtime().block_on(async {
        let listed = koan.backups().await.expect("the context still works in a runtime with timers");
        assert_eq!(listed.len(), 1);
    });
}

/// A future may be polled for the first time while the thread panics, where the panic hook cannot be
/// replaced.
#[test]
fn an_operation_that_is_polled_during_a_panic_does_not_panic_again() {
    count_panics();
    struct PollsInDrop(Koan);
    impl Drop for PollsInDrop {
        fn drop(&mut self) {
            assert!(std::thread::panicking());
            let error = polled(self.0.backup("x")).expect("refused");
            assert_eq!(error.kind(), ErrorKind::Configuration);
        }
    }
    let koan = runtime().block_on(async { builder().build().await.expect("a context") });
    let unwound = panic::catch_unwind(panic::AssertUnwindSafe(|| {
        let _polls = PollsInDrop(koan);
        panic!("a panic of the application");
    }));
    unwound.expect_err("it panics");
}

#[test]
fn panics_of_other_threads_reach_the_panic_hook_meanwhile() {
    count_panics();
    let koan = runtime().block_on(async { builder().build().await.expect("a context") });
    let other = std::thread::spawn(|| {
        for _ in 0..50 {
            panic::catch_unwind(|| panic!("a panic of the application")).expect_err("it panics");
        }
        HOOK_CALLS.get()
    });
    while !other.is_finished() {
        let without_timers = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        without_timers.block_on(async { polled(koan.backup("x")).expect("refused") });
    }
    // The hook is replaced in two steps, between which a panic of another thread reaches the default hook.
    assert!(other.join().expect("the thread ends") > 0);
    assert_eq!(HOOK_CALLS.get(), 0);
}

/// A connection and a command need IO, which is refused where they begin, because a context without them works.
#[test]
fn connections_and_commands_without_io_are_refused_without_a_printed_panic() {
    count_panics();
    let with_timers = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    with_timers.block_on(async {
        let koan = builder().build().await.expect("memory needs no IO");
        let _ = koan.backup("x").await.expect("a backup");
    });
    let options = [
        ("allow_http", "true"),
        ("access_key_id", "id"),
        ("secret_access_key", "key"),
        ("endpoint", "http://127.0.0.1:1"),
        ("region", "none"),
    ];
    let bucket = options
        .into_iter()
        .fold(Storage::options("s3://backups"), |bucket, (name, value)| bucket.option(name, value));
    let bucket = bucket.open().expect("the options are valid");
    let postgres = Postgres::connect("postgres://shop@127.0.0.1:1/shop").expect("a valid address");
    let attempts: [(&str, Result<()>); 3] = with_timers.block_on(async {
        let keys = Keys::command("age-keygen", ["--version"]);
        [
            ("a command", keys.identities().await.map(drop)),
            (
                "PostgreSQL",
                Koan::builder().provider(postgres).storage(Storage::memory()).build().await.map(drop),
            ),
            (
                "a bucket",
                async {
                    let koan = Koan::builder().provider(Memory::new()).storage(bucket).build().await?;
                    koan.backups().await.map(drop)
                }
                .await,
            ),
        ]
    });
    for (name, attempt) in attempts {
        let text = attempt.expect_err(name).chain();
        assert!(
            text.contains("the Tokio runtime has no IO") && text.contains("enable_all"),
            "{name}: {text}"
        );
    }
    assert_eq!(HOOK_CALLS.get(), 0, "no panic is printed");
}
