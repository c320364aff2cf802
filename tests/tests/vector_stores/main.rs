//! Runs the conformance suite for every vector store of this repository, and for stores that violate it.

#![expect(clippy::print_stdout, reason = "the suite prints the results of each store")]

mod lying;

use std::path::Path;
use std::sync::Arc;

use koan_backup::provider::conformance::{CaseOutcome, Conformance};
use koan_backup::vector_store::{
    ArchivedVector, RecordKey, StoredVector, VectorForm, VectorPlace, VectorStore, VectorValue, conformance,
};
use koan_backup::{MemoryVectors, Result};
use serde::Deserialize;

koan_backup::entity_backup_scope!(mode = None);

/// Runs the suite and requires that every case passes. `empty` creates an empty store for each case.
async fn conforms(empty: impl AsyncFnMut() -> Result<Arc<dyn VectorStore>>) -> Conformance {
    let conformance = conformance::run(empty).await.expect("a store");
    println!("{conformance}");
    conformance.require_passed().expect("the vector store conforms")
}

/// Returns the names of the cases that the capabilities of a store exclude.
fn not_declared(conformance: &Conformance) -> Vec<&str> {
    let cases = conformance.cases.iter().filter(|case| case.outcome == CaseOutcome::NotClaimed);
    cases.map(|case| case.name).collect()
}

#[tokio::test]
async fn a_store_in_memory_conforms() {
    let conformance = conforms(async || Ok(Arc::new(MemoryVectors::new()) as _)).await;
    let refusals = [
        "content hash, model and time are refused",
        "a payload is refused",
        "a rollback that leaves changes is an error",
    ];
    assert_eq!(not_declared(&conformance), refusals);
}

#[tokio::test]
async fn a_store_that_keeps_only_vectors_conforms() {
    let mut only_vectors = MemoryVectors::new().capabilities();
    only_vectors.forms = vec![VectorForm::Float32];
    (only_vectors.origin, only_vectors.payload, only_vectors.named_vectors) = (false, false, false);
    let empty = async || Ok(Arc::new(MemoryVectors::with_capabilities(only_vectors.clone())) as _);
    let conformance = conforms(empty).await;
    let expected = [
        "named vectors of a collection are separate",
        "content hash, model and time are preserved",
        "a payload is preserved",
        "a rollback that leaves changes is an error",
    ];
    assert_eq!(not_declared(&conformance), expected);
}

#[tokio::test]
async fn a_filter_that_selects_no_case_is_an_error() {
    let empty = async || Ok(Arc::new(MemoryVectors::new()) as _);
    let error = conformance::run_where(|name| name == "no such case", empty).await.expect_err("no such case");
    assert!(error.to_string().contains("selects no case"), "{error}");
}

/// A film of `tests/vectors/films.jsonl`.
#[derive(Deserialize)]
struct Film {
    id: i64,
    embedding: Vec<f32>,
}

#[test]
fn real_embeddings_have_the_same_bits_in_a_store_and_in_the_line_of_an_archive() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/films.jsonl");
    let films = std::fs::read_to_string(path).expect("the films are read");
    let films: Vec<Film> = films.lines().map(|line| serde_json::from_str(line).expect("a film")).collect();
    let (store, place) = (MemoryVectors::new(), VectorPlace::in_collection("Films"));
    store.create(&place, 384).expect("created");
    for film in &films {
        let embedding = VectorValue::Float32(film.embedding.clone().into());
        store.put(&place, StoredVector::new(RecordKey::from(film.id), embedding)).expect("written");
    }
    let stored = store.vectors(&place);
    assert_eq!(stored.len(), 316);
    for vector in stored {
        let film = films.iter().find(|film| vector.key == RecordKey::from(film.id)).expect("a film");
        let archived = ArchivedVector {
            content_hash: None,
            model_id: None,
            embedding: vector.embedding,
            cached_at: None,
        };
        let line = serde_json::to_string(&archived).expect("JSON");
        let read: ArchivedVector = serde_json::from_str(&line).expect("the line is read");
        let VectorValue::Float32(components) = &read.embedding else { panic!("32-bit floats") };
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(components), bits(&film.embedding), "film {}", film.id);
    }
    assert_eq!(films[310].embedding, films[311].embedding, "equal texts");
}
