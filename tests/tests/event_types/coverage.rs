//! The coverage of event stores: object names that no declaration has.

use koan_backup::event_store::RawStream;
use koan_backup::prelude::*;
use koan_backup::report::{CheckCode, CheckState, Diagnosis};
use koan_backup_tests::scripted::Scripted;
use koan_backup_tests::state_directory::state_directory;

use super::event_store::{Listing, WithEvents};
use super::{CartEvent, Customer, PriceEvent, builder};

const WARNING: &str = "object name `legacy-order` in the event store of `main` belongs to no event type";

async fn koan(provider: WithEvents) -> Koan {
    let builder = builder().register::<Customer>().register_stream::<CartEvent>();
    builder.state_directory(state_directory()).provider(provider).build().await.expect("a context")
}

#[tokio::test]
async fn an_object_name_without_an_event_type_is_a_warning_with_its_remedy() {
    let koan = koan(WithEvents::of(&["cart", "legacy-order"])).await;
    let inventory = koan.inventory();
    assert_eq!(inventory.warnings, [WARNING]);
    let [remedy] = inventory.remedies.as_slice() else { panic!("{inventory:?}") };
    for part in ["#[derive(EventStream)]", "#[event_stream(object = \"…\")]", ".register_raw(\"…\")"] {
        assert!(remedy.contains(part), "{remedy}");
    }
    assert_eq!(inventory.included[1].table, None);
    let builder = builder().register_stream::<CartEvent>().deny_uncovered();
    let denied = builder.provider(WithEvents::of(&["legacy-order"])).build().await;
    let error = denied.expect_err("an object name is uncovered");
    assert_eq!(error.kind(), ErrorKind::Inventory);
    assert!(error.to_string().contains(WARNING), "{error}");
}

#[tokio::test]
async fn declared_object_names_are_covered_also_if_they_are_excluded_or_raw() {
    let store = WithEvents::of(&["cart", "legacy-order", "page-view"]);
    let declared = builder().register_stream::<CartEvent>().register_raw("legacy-order");
    let declared = declared.register_raw(RawStream::new("page-view").exclude("kept by the web server"));
    let koan = declared.deny_uncovered().provider(store).build().await.expect("all names are declared");
    koan.inventory().assert_covered();
}

#[tokio::test]
async fn an_object_name_that_is_declared_for_another_provider_is_reported_there() {
    let declared = builder().register_raw(RawStream::new("legacy-order").provider("archive"));
    // The declaration excludes the object name in another provider only.
    let declared = declared.register_stream::<PriceEvent>();
    let declared = declared.provider(WithEvents::of(&["legacy-order", "price"]));
    let koan = declared.named_provider("archive", WithEvents::of(&["legacy-order"])).build().await;
    let price = WARNING.replace("legacy-order", "price");
    assert_eq!(
        koan.expect("a context").inventory().warnings,
        [format!("{WARNING}; its event type is assigned to provider `archive`"), price]
    );
}

#[tokio::test]
async fn a_refresh_reads_the_object_names_again() {
    let store = WithEvents::of(&["cart"]);
    let koan = koan(store.clone()).await;
    assert!(koan.inventory().is_covered());
    store.answer(Listing::Names(vec!["cart", "legacy-order"]));
    assert_eq!(koan.refresh_inventory().await.expect("described").warnings, [WARNING]);
    store.answer(Listing::Names(Vec::new()));
    assert!(koan.refresh_inventory().await.expect("described").is_covered());
}

#[tokio::test]
async fn providers_describe_only_entities() {
    let store = WithEvents::of(&[]);
    let koan = koan(store.clone()).await;
    let _ = koan.diagnose().await.expect("a diagnosis");
    assert_eq!(store.described(), ["Customer", "Customer"], "at the start, and for the diagnosis");
}

#[tokio::test]
async fn an_event_store_that_cannot_be_read_is_a_problem_of_its_streams() {
    let store = WithEvents::of(&[]);
    store.answer(Listing::Fails);
    let koan = koan(store.clone()).await;
    let inventory = koan.inventory();
    let problem = "the event store of provider `main` cannot be read: no such table: events";
    assert_eq!(inventory.included[1].problem.as_deref(), Some(problem));
    assert_eq!(inventory.included[0].problem, None);
    assert_eq!(inventory.warnings, [format!("cart cannot be backed up: {problem}")]);
    let without_streams = builder().register::<Customer>().provider(store);
    let koan = without_streams.build().await.expect("a context");
    assert_eq!(koan.inventory().warnings, [problem]);
}

#[tokio::test(start_paused = true)]
async fn an_event_store_that_does_not_respond_delays_the_start_only_for_a_while() {
    let store = WithEvents::of(&[]);
    store.answer(Listing::Hangs);
    let koan = koan(store).await;
    let inventory = koan.inventory();
    let [warning] = inventory.warnings.as_slice() else { panic!("{inventory:?}") };
    assert!(
        warning.starts_with("the event store of provider `main` did not list its object names"),
        "{warning}"
    );
    assert_eq!(inventory.included[1].problem, None);
}

fn details(diagnosis: &Diagnosis) -> Vec<&str> {
    diagnosis.checks.iter().map(|check| check.detail.as_str()).collect()
}

#[tokio::test]
async fn a_diagnosis_reads_event_stores_and_names_the_gaps() {
    let store = WithEvents::of(&["cart"]);
    let koan = koan(store.clone()).await;
    let diagnosis = koan.diagnose().await.expect("a diagnosis");
    let found = details(&diagnosis);
    assert!(found.contains(&"the event store can be read, 1 event stream"), "{found:#?}");
    let covered = "1 entity, 1 event stream covered, and nothing is uncovered";
    assert!(found.contains(&covered), "{found:#?}");
    assert!(found.iter().any(|detail| detail.ends_with("; 1 entity, 1 event stream")), "{found:#?}");

    store.answer(Listing::Names(vec!["cart", "legacy-order"]));
    let diagnosis = koan.diagnose().await.expect("a diagnosis");
    let found = details(&diagnosis);
    let gap = "1 gap in the coverage: object name `legacy-order` of main";
    assert!(found.contains(&gap), "{found:#?}");

    store.answer(Listing::Fails);
    let diagnosis = koan.diagnose().await.expect("a diagnosis");
    let failed = |check: &&koan_backup::report::Check| check.code == CheckCode::ProviderFailed;
    let problems: Vec<_> = diagnosis.problems().filter(failed).collect();
    let [problem] = problems.as_slice() else { panic!("{diagnosis:#?}") };
    assert_eq!(problem.state, CheckState::Problem);
    assert!(problem.detail.contains("the event store cannot be read: no such table: events"), "{problem:?}");
}

#[tokio::test]
async fn a_diagnosis_of_a_builder_does_not_blame_streams_whose_provider_cannot_be_opened() {
    let failed = Error::new(ErrorKind::Provider, "the server refuses connections");
    let builder = || builder().state_directory(state_directory()).register_stream::<CartEvent>();
    let diagnosis = builder().diagnose().failed_provider("main", &failed).await.expect("a diagnosis");
    let configuration = |diagnosis: &Diagnosis| {
        diagnosis.problems().filter(|check| check.code == CheckCode::ConfigurationInvalid).count()
    };
    assert_eq!(configuration(&diagnosis), 0, "{diagnosis:#?}");
    let diagnosis = builder().provider(Scripted::default()).diagnose().await.expect("a diagnosis");
    assert_eq!(configuration(&diagnosis), 1, "{diagnosis:#?}");
}
