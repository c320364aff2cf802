//! The cases for writing.

use futures::FutureExt as _;

use super::case::Case;
use super::sample::{DIMENSION, embedding, ensure, require_equal, require_vectors, vector};
use super::subject::Subject;
use crate::entity::vector::{RecordKey, VectorForm, VectorValue};
use crate::foundation::error::Result;
use crate::provider::vector_store::StoredVector;

pub(super) const CASES: &[Case] = &[
    Case::new("a vector that exists is replaced", |store| replaced(store).boxed()),
    Case::new("a vector that is written again is contained once", |store| repeated(store).boxed()),
    Case::new("a vector with another dimension is refused by name", |store| dimensions(store).boxed()),
    Case::new("a component that is NaN or infinite is refused by name", |store| not_finite(store).boxed()),
    Case::new("vectors are removed by key, and the removal is counted", |store| removed(store).boxed()),
    Case::new("a session reads what it has written", |store| own_changes(store).boxed()),
];

async fn replaced(store: &Subject) -> Result<()> {
    let exactness = store.create().await?;
    store.write(&Subject::place(), vec![vector(1), vector(2), vector(3)]).await?;
    let changed = StoredVector::new(RecordKey::from(2), embedding(VectorForm::Float32, 99));
    store.write(&Subject::place(), vec![changed.clone()]).await?;
    store.require(&Subject::place(), vec![vector(1), changed, vector(3)], exactness).await
}

async fn repeated(store: &Subject) -> Result<()> {
    let exactness = store.create().await?;
    let vectors: Vec<_> = (0..50).map(vector).collect();
    for _ in 0..3 {
        store.write(&Subject::place(), vectors.clone()).await?;
    }
    store.require(&Subject::place(), vectors, exactness).await
}

/// Checks that a vector is refused, and that the error names its key.
async fn require_refused(store: &Subject, refused: StoredVector, what: &str) -> Result<()> {
    let key = refused.key.clone();
    let mut writing = store.begin().await?;
    let written = writing.writer().put(&Subject::place(), vec![vector(1), refused, vector(3)]).await;
    let Err(error) = written else { return ensure(false, || format!("{what} was accepted")) };
    ensure(error.chain().contains(key.as_json()), || {
        format!("the error about {what} does not name the key {key}: {}", error.chain())
    })
}

async fn dimensions(store: &Subject) -> Result<()> {
    store.create().await?;
    for length in [DIMENSION - 1, DIMENSION + 1] {
        let values: Vec<f32> = vec![0.5; length];
        let short = StoredVector::new(RecordKey::from(4_711), VectorValue::Float32(values.into()));
        require_refused(store, short, "a vector with another dimension").await?;
    }
    Ok(())
}

async fn not_finite(store: &Subject) -> Result<()> {
    store.create().await?;
    for component in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = [0.5; DIMENSION];
        values[3] = component;
        let vector = StoredVector::new(RecordKey::from(4_711), VectorValue::Float32(values.into()));
        require_refused(store, vector, "a component that is NaN or infinite").await?;
    }
    Ok(())
}

async fn removed(store: &Subject) -> Result<()> {
    let exactness = store.create().await?;
    store.write(&Subject::place(), (0..10).map(vector).collect()).await?;
    let mut writing = store.begin().await?;
    let keys = [RecordKey::from(3), RecordKey::from(4), RecordKey::from(77)];
    require_equal(
        "the number of removed vectors",
        &writing.writer().remove(&Subject::place(), &keys).await?,
        &2,
    )?;
    writing.commit().await?;
    let rest = (0..10).filter(|number| ![3, 4].contains(number)).map(vector).collect();
    store.require(&Subject::place(), rest, exactness).await
}

async fn own_changes(store: &Subject) -> Result<()> {
    let exactness = store.create().await?;
    store.write(&Subject::place(), vec![vector(1), vector(2)]).await?;
    let mut writing = store.begin().await?;
    let changed = StoredVector::new(RecordKey::from(2), embedding(VectorForm::Float32, 99));
    writing.writer().put(&Subject::place(), vec![changed.clone(), vector(3)]).await?;
    writing.writer().remove(&Subject::place(), &[RecordKey::from(1)]).await?;
    require_equal("the count", &writing.writer().count(&Subject::place()).await?, &2)?;
    let keys: Vec<_> = (1..5).map(RecordKey::from).collect();
    let found = writing.writer().get(&Subject::place(), &keys).await?;
    require_vectors(found, vec![changed.clone(), vector(3)], exactness)?;
    writing.commit().await?;
    store.require(&Subject::place(), vec![changed, vector(3)], exactness).await
}
