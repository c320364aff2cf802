//! The cases for collections and their descriptions.

use futures::FutureExt as _;

use super::case::Case;
use super::sample::{DIMENSION, embedding, ensure, require_equal, vector};
use super::subject::{Subject, all};
use crate::entity::vector::{RecordKey, VectorForm};
use crate::foundation::error::{ErrorKind, Result};
use crate::provider::vector_store::{StoredVector, VectorPlace};

pub(super) const CASES: &[Case] = &[
    Case::new("a place that does not exist contains nothing", |store| missing(store).boxed()),
    Case::new("a created place is described and listed", |store| created(store).boxed()),
    Case::new("a place that exists is not created again", |store| created_twice(store).boxed()),
    Case::new("a form or metric that is not declared is refused", |store| undeclared(store).boxed()),
    Case::new("collections are separate", |store| collections(store).boxed()),
    Case::new("named vectors of a collection are separate", |store| named(store).boxed())
        .needing(|contents| contents.named_vectors),
];

async fn missing(store: &Subject) -> Result<()> {
    let (reader, place) = (store.read().await?, Subject::place());
    require_equal("the description", &reader.describe(&place).await?, &None)?;
    require_equal("the count", &reader.count(&place).await?, &0)?;
    require_equal("the number of vectors", &all(&*reader, &place).await?.len(), &0)?;
    let is_listed = reader.collections().await?.contains(&place.collection);
    require_equal("whether the collection is listed", &is_listed, &false)?;
    drop(reader);
    let mut writing = store.begin().await?;
    require_equal("the count in a session", &writing.writer().count(&place).await?, &0)?;
    let found = writing.writer().get(&place, &[RecordKey::from(1)]).await?;
    require_equal("the vectors in a session", &found.len(), &0)?;
    let refused = writing.writer().put(&place, vec![vector(1)]).await;
    ensure(refused.is_err_and(|error| error.kind() == ErrorKind::NotFound), || {
        "a vector was written into a collection that does not exist, or the error is not `NotFound`"
            .to_owned()
    })
}

async fn created(store: &Subject) -> Result<()> {
    let (place, form) = (Subject::place(), store.form()?);
    store.create_at(&place, form).await?;
    let reader = store.read().await?;
    let described = reader.describe(&place).await?;
    let expected = (form, Some(DIMENSION), Some(store.metric(form)?));
    let found = described.map(|info| (info.form, info.dimension, info.metric));
    require_equal("form, dimension and metric", &found, &Some(expected))?;
    let collections = reader.collections().await?;
    ensure(collections.contains(&place.collection), || "the collection is not listed".to_owned())?;
    ensure(collections.is_sorted(), || "the collections are not sorted by name".to_owned())
}

async fn created_twice(store: &Subject) -> Result<()> {
    store.create().await?;
    store.write(&Subject::place(), vec![vector(1)]).await?;
    let mut writing = store.begin().await?;
    let metric = store.metric(VectorForm::Float32)?;
    let again = writing.writer().create(&Subject::place(), VectorForm::Float32, DIMENSION, metric).await;
    ensure(again.is_err_and(|error| error.kind() == ErrorKind::Conflict), || {
        "a place was created twice, or the error is not `Conflict`".to_owned()
    })?;
    drop(writing);
    require_equal("the count", &store.read().await?.count(&Subject::place()).await?, &1)
}

async fn undeclared(store: &Subject) -> Result<()> {
    let forms = [VectorForm::Float32, VectorForm::Float16, VectorForm::Bits, VectorForm::Sparse];
    for form in forms.into_iter().filter(|form| !store.capabilities.forms.contains(form)) {
        let metric = store.metric(store.form()?)?;
        let mut writing = store.begin().await?;
        let created = writing.writer().create(&Subject::place(), form, DIMENSION, metric).await;
        ensure(created.is_err_and(|error| error.kind() == ErrorKind::Unsupported), || {
            format!("the form {form:?} was accepted, or the error is not `Unsupported`")
        })?;
    }
    Ok(())
}

async fn collections(store: &Subject) -> Result<()> {
    let exactness = store.create().await?;
    let other = VectorPlace::in_collection("KoanMediaOther");
    store.create_at(&other, VectorForm::Float32).await?;
    store.write(&Subject::place(), vec![vector(1), vector(2)]).await?;
    let changed = StoredVector::new(RecordKey::from(1), embedding(VectorForm::Float32, 77));
    store.write(&other, vec![changed.clone()]).await?;
    store.require(&Subject::place(), vec![vector(1), vector(2)], exactness).await?;
    let mut writing = store.begin().await?;
    let keys = [RecordKey::from(1), RecordKey::from(2)];
    require_equal("the number of removed vectors", &writing.writer().remove(&other, &keys).await?, &1)?;
    writing.commit().await?;
    store.require(&other, Vec::new(), exactness).await?;
    store.require(&Subject::place(), vec![vector(1), vector(2)], exactness).await
}

async fn named(store: &Subject) -> Result<()> {
    let title = Subject::place().vector("title");
    let poster = Subject::place().vector("poster");
    let mut writing = store.begin().await?;
    let metric = store.metric(VectorForm::Float32)?;
    for place in [&title, &poster] {
        writing.writer().create(place, VectorForm::Float32, DIMENSION, metric).await?;
    }
    writing.commit().await?;
    let described = store.read().await?.describe(&title).await?;
    let Some(described) = described else {
        return ensure(false, || "a named vector is not described".to_owned());
    };
    store.write(&title, vec![vector(1), vector(2)]).await?;
    let of_poster = StoredVector::new(RecordKey::from(1), embedding(VectorForm::Float32, 77));
    store.write(&poster, vec![of_poster.clone()]).await?;
    store.require(&title, vec![vector(1), vector(2)], described.exactness).await?;
    store.require(&poster, vec![of_poster], described.exactness).await?;
    let mut writing = store.begin().await?;
    let removed = writing.writer().remove(&poster, &[RecordKey::from(1)]).await?;
    require_equal("the number of removed vectors", &removed, &1)?;
    writing.commit().await?;
    store.require(&poster, Vec::new(), described.exactness).await?;
    store.require(&title, vec![vector(1), vector(2)], described.exactness).await
}
