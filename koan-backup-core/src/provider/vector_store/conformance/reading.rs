//! The cases for reading.

use futures::{FutureExt as _, TryStreamExt as _};

use super::case::Case;
use super::sample::{
    DIMENSION, embedding, ensure, extreme, payload, require_embedding, require_equal, vector,
};
use super::subject::{Subject, all};
use crate::entity::vector::{RecordKey, VectorForm, VectorPayload, VectorValue};
use crate::foundation::consistency::Consistency;
use crate::foundation::error::Result;
use crate::provider::event_store::BatchValue as _;
use crate::provider::vector_store::StoredVector;

pub(super) const CASES: &[Case] = &[
    Case::new("vectors of each declared form are read as they were written", |store| forms(store).boxed()),
    Case::new("extreme components are preserved as exactly as the store says, or refused", |store| {
        extremes(store).boxed()
    }),
    Case::new("keys of every kind are distinct", |store| keys(store).boxed()),
    Case::new("more vectors than a page are read, each key once", |store| pages(store).boxed()),
    Case::new("two reads have the same order", |store| order(store).boxed()),
    Case::new("a batch contains about a mebibyte", |store| batches(store).boxed()),
    Case::new("content hash, model and time are preserved", |store| origin(store).boxed())
        .needing(|contents| contents.origin),
    Case::new("content hash, model and time are refused", |store| no_origin(store).boxed())
        .needing(|contents| !contents.origin),
    Case::new("a payload is preserved", |store| payloads(store).boxed()).needing(|contents| contents.payload),
    Case::new("a payload is refused", |store| no_payload(store).boxed())
        .needing(|contents| !contents.payload),
    Case::new("a reader with snapshot consistency reads one point in time", |store| snapshot(store).boxed()),
];

async fn forms(store: &Subject) -> Result<()> {
    for (number, form) in (0..).zip(&store.capabilities.forms) {
        let place = crate::provider::vector_store::VectorPlace::in_collection(format!("KoanForm{number}"));
        let exactness = store.create_at(&place, *form).await?;
        let vectors: Vec<_> =
            (1..6).map(|key| StoredVector::new(RecordKey::from(key), embedding(*form, key))).collect();
        store.write(&place, vectors.clone()).await?;
        store.require(&place, vectors, exactness).await?;
    }
    Ok(())
}

async fn extremes(store: &Subject) -> Result<()> {
    let exactness = store.create().await?;
    for (key, value) in (1..).zip(extreme()) {
        let mut writing = store.begin().await?;
        let vector = StoredVector::new(RecordKey::from(key), value.clone());
        if writing.writer().put(&Subject::place(), vec![vector]).await.is_err() {
            continue;
        }
        writing.commit().await?;
        let mut reading = store.begin().await?;
        let found = reading.writer().get(&Subject::place(), &[RecordKey::from(key)]).await?;
        require_equal("the number of vectors", &found.len(), &1)?;
        require_embedding(&found[0].embedding, &value, exactness)?;
        reading.rollback().await?;
    }
    Ok(())
}

async fn keys(store: &Subject) -> Result<()> {
    let exactness = store.create().await?;
    let keys = [
        "7",
        "\"7\"",
        "-9223372036854775808",
        "18446744073709551615",
        "\"\"",
        "\"a b\"",
        "\"A B\"",
        "\"ä\\\"'/%_*?\"",
        "\"日本\"",
        "true",
        "{\"order\":7,\"line\":1}",
        "{\"order\":7,\"line\":10}",
        "\"1b4e28ba-2fa1-11d2-883f-0016d3cca427\"",
    ];
    let mut vectors = Vec::new();
    for (number, key) in (1..).zip(keys) {
        let key = RecordKey::from_json(key).map_err(|error| super::sample::failed(error.to_string()))?;
        vectors.push(StoredVector { key, ..vector(number) });
    }
    store.write(&Subject::place(), vectors.clone()).await?;
    store.require(&Subject::place(), vectors.clone(), exactness).await?;
    let mut writing = store.begin().await?;
    for expected in &vectors {
        let found = writing.writer().get(&Subject::place(), std::slice::from_ref(&expected.key)).await?;
        require_equal("the number of vectors with a key", &found.len(), &1)?;
        require_equal("the key", &found[0].key.as_json(), &expected.key.as_json())?;
    }
    writing.rollback().await
}

async fn pages(store: &Subject) -> Result<()> {
    let exactness = store.create().await?;
    let vectors: Vec<_> = (0..2_345).map(vector).collect();
    for part in vectors.chunks(500) {
        store.write(&Subject::place(), part.to_vec()).await?;
    }
    store.require(&Subject::place(), vectors, exactness).await
}

async fn order(store: &Subject) -> Result<()> {
    store.create().await?;
    store.write(&Subject::place(), (0..300).rev().map(vector).collect()).await?;
    let reader = store.read().await?;
    let read = async || -> Result<Vec<String>> {
        let vectors = all(&*reader, &Subject::place()).await?;
        Ok(vectors.into_iter().map(|vector| vector.key.as_json().to_owned()).collect())
    };
    require_equal("the keys of the second read", &read().await?, &read().await?)
}

async fn batches(store: &Subject) -> Result<()> {
    let place = Subject::place();
    let metric = store.metric(VectorForm::Float32)?;
    let mut writing = store.begin().await?;
    writing.writer().create(&place, VectorForm::Float32, 1_000, metric).await?;
    writing.commit().await?;
    let vector =
        |number| StoredVector::new(RecordKey::from(number), VectorValue::Float32([0.5; 1_000].into()));
    for part in 0..10 {
        store.write(&place, (part * 100..(part + 1) * 100).map(vector).collect()).await?;
    }
    let reader = store.read().await?;
    let mut batches = reader.vectors(&place).await?;
    let largest = 2 * 1_024 * 1_024;
    while let Some(batch) = batches.try_next().await? {
        let bytes: usize = batch.iter().map(StoredVector::size_bytes).sum();
        ensure(bytes <= largest, || {
            format!("a batch has {bytes} bytes in memory, and at most {largest} are allowed")
        })?;
    }
    Ok(())
}

fn with_origin(number: i64) -> StoredVector {
    StoredVector {
        content_hash: Some(format!("{number:064x}")),
        model_id: Some("all-minilm-l6-v2".to_owned()),
        cached_at: Some("2026-12-01T03:00:00Z".to_owned()),
        ..vector(number)
    }
}

async fn origin(store: &Subject) -> Result<()> {
    let exactness = store.create().await?;
    let without_model = StoredVector { model_id: None, ..with_origin(3) };
    let vectors = vec![with_origin(1), vector(2), without_model];
    store.write(&Subject::place(), vectors.clone()).await?;
    store.require(&Subject::place(), vectors, exactness).await
}

async fn no_origin(store: &Subject) -> Result<()> {
    store.create().await?;
    let mut writing = store.begin().await?;
    let written = writing.writer().put(&Subject::place(), vec![with_origin(1)]).await;
    ensure(written.is_err(), || "a store without these values accepted them".to_owned())
}

async fn payloads(store: &Subject) -> Result<()> {
    let exactness = store.create().await?;
    let vectors = vec![StoredVector { payload: payload(), ..vector(1) }, vector(2)];
    store.write(&Subject::place(), vectors.clone()).await?;
    store.require(&Subject::place(), vectors, exactness).await?;
    // A vector is replaced with its payload as a whole.
    let mut smaller = VectorPayload::new();
    smaller.insert("koanYear", "2027").map_err(|error| super::sample::failed(error.to_string()))?;
    let vectors = vec![StoredVector { payload: smaller, ..vector(1) }, vector(2)];
    store.write(&Subject::place(), vec![vectors[0].clone()]).await?;
    store.require(&Subject::place(), vectors, exactness).await
}

async fn no_payload(store: &Subject) -> Result<()> {
    store.create().await?;
    let mut writing = store.begin().await?;
    let vector = StoredVector { payload: payload(), ..vector(1) };
    let written = writing.writer().put(&Subject::place(), vec![vector]).await;
    ensure(written.is_err(), || "a store without payloads accepted one".to_owned())
}

async fn snapshot(store: &Subject) -> Result<()> {
    if store.store().consistency() != Consistency::Snapshot {
        return Ok(());
    }
    store.create().await?;
    store.write(&Subject::place(), vec![vector(1)]).await?;
    let reader = store.read().await?;
    require_equal("the count", &reader.count(&Subject::place()).await?, &1)?;
    store.write(&Subject::place(), vec![vector(2)]).await?;
    require_equal("the count after a later commit", &reader.count(&Subject::place()).await?, &1)?;
    require_equal("the number of vectors", &all(&*reader, &Subject::place()).await?.len(), &1)?;
    require_equal("the dimension", &vector(1).embedding.dimension(), &DIMENSION)
}
