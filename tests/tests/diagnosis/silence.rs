//! A provider or store that does not respond is a problem, and does not hide the others.

use koan_backup::prelude::*;
use koan_backup::report::{CheckCode, CheckState, CheckSubject};
use koan_backup_tests::faulty_store::{Failure, Fault, Operation};

use super::fixture::{SHORT, Store, builder, koan, with_code};

#[tokio::test]
async fn a_store_that_does_not_respond_is_a_problem_beside_the_checks_of_the_others() {
    let store = Store::new();
    let (koan, _) = koan(&store).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    store.faults.fail([Fault::always(Operation::List, "manifests", Failure::Never)]);
    let diagnosis = koan.diagnose().timeout(SHORT).await.expect("a diagnosis");
    let silent = with_code(&diagnosis, CheckCode::NoResponse);
    assert_eq!(silent.len(), 1, "{diagnosis:?}");
    assert_eq!(silent[0].subject, CheckSubject::Storage);
    assert_eq!(silent[0].name.as_deref(), Some("local"));
    assert!(silent[0].remedy.as_ref().is_some_and(|remedy| remedy.contains("--timeout")), "{silent:?}");
    let is_ok = |subject| {
        let mut checks = diagnosis.checks.iter();
        checks.any(|check| check.subject == subject && check.state == CheckState::Ok)
    };
    assert!(is_ok(CheckSubject::Provider) && is_ok(CheckSubject::Keys), "{diagnosis:?}");
}

#[tokio::test]
async fn a_builder_that_cannot_be_built_is_diagnosed() {
    let store = Store::new();
    let error = Error::new(koan_backup::ErrorKind::Provider, "no such host").with_help("correct the host");
    let builder = builder(&store).without_provider("main").default_storage("missing");
    let diagnosis = builder.diagnose().failed_provider("main", &error).await.expect("a diagnosis");
    let problems: Vec<_> = diagnosis.problems().collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(problems[0].subject, CheckSubject::Configuration, "{problems:?}");
    assert!(problems[0].detail.contains("default storage profile `missing`"), "{problems:?}");
    assert_eq!((problems[1].code, problems[1].name.as_deref()), (CheckCode::ProviderFailed, Some("main")));
    assert_eq!(problems[1].remedy.as_deref(), Some("correct the host"));
    let mut storages = diagnosis.checks.iter().filter(|check| check.subject == CheckSubject::Storage);
    assert!(storages.all(|check| check.state == CheckState::Ok), "the storage was checked: {diagnosis:?}");
}
