//! The cases for sessions.

use futures::FutureExt as _;

use super::case::Case;
use super::sample::{ensure, require_equal, vector};
use super::subject::Subject;
use crate::entity::vector::{RecordKey, VectorForm};
use crate::foundation::error::Result;
use crate::provider::SessionIntent;

pub(super) const CASES: &[Case] = &[
    Case::new("nothing of a session is visible before its commit", |store| invisible(store).boxed())
        .needing(|contents| contents.transactions),
    Case::new("a session that was rolled back or dropped leaves nothing", |store| rolled_back(store).boxed())
        .needing(|contents| contents.transactions),
    Case::new("a session that has changed nothing is rolled back without an error", |store| {
        unchanged(store).boxed()
    }),
    Case::new("a rollback that leaves changes is an error", |store| remaining(store).boxed())
        .needing(|contents| !contents.transactions),
    Case::new("a dry run writes nothing", |store| dry_run(store).boxed()),
];

async fn invisible(store: &Subject) -> Result<()> {
    let exactness = store.create().await?;
    let mut writing = store.begin().await?;
    writing.writer().put(&Subject::place(), vec![vector(1)]).await?;
    require_equal("the count before the commit", &store.read().await?.count(&Subject::place()).await?, &0)?;
    writing.commit().await?;
    store.require(&Subject::place(), vec![vector(1)], exactness).await
}

async fn rolled_back(store: &Subject) -> Result<()> {
    let exactness = store.create().await?;
    store.write(&Subject::place(), vec![vector(1)]).await?;
    for is_dropped in [false, true] {
        let mut writing = store.begin().await?;
        writing.writer().put(&Subject::place(), vec![vector(2)]).await?;
        writing.writer().remove(&Subject::place(), &[RecordKey::from(1)]).await?;
        if is_dropped {
            drop(writing);
        } else {
            writing.rollback().await?;
        }
        store.require(&Subject::place(), vec![vector(1)], exactness).await?;
    }
    Ok(())
}

async fn unchanged(store: &Subject) -> Result<()> {
    let exactness = store.create().await?;
    store.write(&Subject::place(), vec![vector(1)]).await?;
    let mut writing = store.begin().await?;
    require_equal("the count", &writing.writer().count(&Subject::place()).await?, &1)?;
    writing.rollback().await?;
    store.require(&Subject::place(), vec![vector(1)], exactness).await
}

async fn remaining(store: &Subject) -> Result<()> {
    store.create().await?;
    let mut writing = store.begin().await?;
    writing.writer().put(&Subject::place(), vec![vector(1)]).await?;
    let Err(error) = writing.rollback().await else {
        return ensure(false, || "a rollback succeeded, and a vector of the session remains".to_owned());
    };
    ensure(error.has_remaining_changes(), || "the error does not say that changes remain".to_owned())
}

async fn dry_run(store: &Subject) -> Result<()> {
    let exactness = store.create().await?;
    store.write(&Subject::place(), vec![vector(1)]).await?;
    let mut session = store.store().begin_restore(SessionIntent::Compare).await?;
    require_equal("the count", &session.writer().count(&Subject::place()).await?, &1)?;
    ensure(session.writer().put(&Subject::place(), vec![vector(2)]).await.is_err(), || {
        "a dry run has written a vector".to_owned()
    })?;
    drop(session);
    for attempt in ["a removal", "a creation"] {
        let mut session = store.store().begin_restore(SessionIntent::Compare).await?;
        let result = if attempt == "a removal" {
            session.writer().remove(&Subject::place(), &[RecordKey::from(1)]).await.map(drop)
        } else {
            let other = crate::provider::vector_store::VectorPlace::in_collection("KoanDryRun");
            let metric = store.metric(VectorForm::Float32)?;
            session.writer().create(&other, VectorForm::Float32, 8, metric).await
        };
        ensure(result.is_err(), || format!("a dry run accepted {attempt}"))?;
    }
    store.require(&Subject::place(), vec![vector(1)], exactness).await
}
