//! Tests that observers receive all events of all operations.

use koan_backup::prelude::*;
use koan_backup_tests::scripted::Script;

use super::shop::{Ends, builder};

#[tokio::test]
async fn observers_receive_the_events_of_operations_that_have_their_own_listener() {
    let [of_context, first, second, own] = [(); 4].map(|()| Ends::default());
    let recorder = of_context.clone();
    let koan = builder(Storage::memory(), Script::default())
        .on_event(move |event| recorder.record(event))
        .observe(first.listener())
        .observe(second.listener())
        .build()
        .await
        .expect("a context");
    let all = [&of_context, &first, &second, &own];
    let listen = || {
        let recorder = own.clone();
        move |event: &koan_backup::Event| recorder.record(event)
    };
    let _ = koan.backup("nightly").await.expect("a backup");
    let expected = vec!["backup nightly of nightly: Completed, published".to_owned()];
    assert_eq!(all.map(Ends::take), [expected.clone(), expected.clone(), expected.clone(), vec![]]);
    let _ = koan.backup("nightly").on_event(listen()).await.expect("a backup");
    assert_eq!(all.map(Ends::take), [vec![], expected.clone(), expected.clone(), expected]);
    let _ = koan.restore("nightly").on_event(listen()).await.expect("restored");
    let expected = vec!["restore nightly of nightly: restored, found".to_owned()];
    assert_eq!(all.map(Ends::take), [vec![], expected.clone(), expected.clone(), expected]);
    let _ = koan.verify("nightly").on_event(listen()).await.expect("verified");
    let expected = vec!["verification nightly of nightly: valid, whole".to_owned()];
    assert_eq!(all.map(Ends::take), [vec![], expected.clone(), expected.clone(), expected.clone()]);
    let _ = koan.maintenance().await.expect("maintained");
    assert_eq!(all.map(Ends::take), [expected.clone(), expected.clone(), expected, vec![]]);
}

#[tokio::test]
async fn an_observer_that_panics_does_not_prevent_the_others() {
    let ends = Ends::default();
    let koan = builder(Storage::memory(), Script::default())
        .observe(koan_backup::Listener::new(|_| panic!("a defect of the observer")))
        .observe(ends.listener())
        .build()
        .await
        .expect("a context");
    let _ = koan.backup("nightly").await.expect("a backup");
    assert_eq!(ends.take(), ["backup nightly of nightly: Completed, published"]);
}
