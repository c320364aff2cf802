//! The vectors that the cases write.

use crate::entity::vector::f16;

use crate::entity::vector::{RecordKey, SparseVector, VectorForm, VectorPayload, VectorValue};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::vector_store::{Exactness, StoredVector};

/// The number of components of most vectors.
pub(super) const DIMENSION: usize = 8;

/// Returns the vector of a record with an integer key. Vectors of different numbers differ.
pub(super) fn vector(number: i64) -> StoredVector {
    StoredVector::new(RecordKey::from(number), embedding(VectorForm::Float32, number))
}

/// Returns a vector of a form. No component is 0, so that the vector can be normalised.
pub(super) fn embedding(form: VectorForm, number: i64) -> VectorValue {
    let seed = u32::try_from(number.unsigned_abs()).unwrap_or(u32::MAX);
    let component = |index: u32| {
        let mixed = seed.wrapping_mul(2_654_435_761).wrapping_add(index.wrapping_mul(40_503_001));
        let magnitude = f32::from(u16::try_from(mixed >> 16).unwrap_or(u16::MAX)) / 65_536.0 + 0.1;
        if index.is_multiple_of(2) { magnitude } else { -magnitude }
    };
    let dimension = u32::try_from(DIMENSION).unwrap_or(u32::MAX);
    match form {
        VectorForm::Float32 => VectorValue::Float32((0..dimension).map(component).collect()),
        VectorForm::Float16 => {
            VectorValue::Float16((0..dimension).map(|index| f16::from_f32(component(index))).collect())
        }
        VectorForm::Bits => VectorValue::Bits((0..dimension).map(|index| seed >> index & 1 == 1).collect()),
        VectorForm::Sparse => {
            let indices = vec![1, 4, 7];
            let values = indices.iter().map(|index| component(*index)).collect();
            VectorValue::Sparse(
                SparseVector::new(dimension, indices, values).expect("the indices are sorted"),
            )
        }
    }
}

/// Returns vectors of 32-bit floats whose components are extreme: the largest and the smallest, subnormal ones, and -0.
pub(super) fn extreme() -> Vec<VectorValue> {
    let floats = |components: [f32; DIMENSION]| VectorValue::Float32(components.into());
    let tiny = f32::from_bits(1);
    vec![
        floats([0.1, 0.4, -0.0, 1.0 / 3.0, 16_777_217.0, 1e-7, 1e10, -1.0]),
        floats([f32::MIN_POSITIVE, tiny, -tiny, 1.0, 0.0, 3.0e-39, 1e-30, 5.0]),
        floats([1.0e18, -1.0e18, 1.000_000_1, 0.999_999_94, 123_456.79, -9_876.543, 2.0, 7.0]),
    ]
}

/// Returns a payload with JSON of every kind.
pub(super) fn payload() -> VectorPayload {
    let mut payload = VectorPayload::new();
    for (name, json) in [
        ("koanTitle", r#""Ä \"quoted\" title\n""#),
        ("koanYear", "2026"),
        ("koanRating", "7.25"),
        ("koanActive", "true"),
    ] {
        payload.insert(name, json).expect("the samples are JSON");
    }
    payload
}

/// Checks that a store has returned a vector as it was written, as exactly as it says.
pub(super) fn require_embedding(
    found: &VectorValue,
    written: &VectorValue,
    exactness: Exactness,
) -> Result<()> {
    let is_same = match (exactness, found, written) {
        (Exactness::Exact, ..) => found == written,
        (Exactness::Within(bound), VectorValue::Float32(found), VectorValue::Float32(written)) => {
            let length = written.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
            let is_near =
                |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).abs() <= f64::from(bound) * length;
            found.len() == written.len() && found.iter().zip(written).all(is_near)
        }
        (Exactness::Within(_), ..) => found == written,
    };
    ensure(is_same, || {
        format!("a vector of the form {:?} differs from the one that was written", written.form())
    })
}

/// Checks that the same vectors were read as were written, in any order.
pub(super) fn require_vectors(
    mut found: Vec<StoredVector>,
    mut written: Vec<StoredVector>,
    exactness: Exactness,
) -> Result<()> {
    found.sort_by(|a, b| a.key.cmp(&b.key));
    written.sort_by(|a, b| a.key.cmp(&b.key));
    let keys = |vectors: &[StoredVector]| -> Vec<String> {
        vectors.iter().map(|vector| vector.key.as_json().to_owned()).collect()
    };
    require_equal("the keys", &keys(&found), &keys(&written))?;
    for (found, written) in found.iter().zip(&written) {
        require_embedding(&found.embedding, &written.embedding, exactness)?;
        require_equal("the content hash", &found.content_hash, &written.content_hash)?;
        require_equal("the model", &found.model_id, &written.model_id)?;
        require_equal("the time", &found.cached_at, &written.cached_at)?;
        ensure(found.payload == written.payload, || {
            let names = |vector: &StoredVector| -> Vec<String> {
                vector.payload.iter().map(|(name, json)| format!("{name}: {}", json.get())).collect()
            };
            format!("the payload is {:?}, but {:?} was expected", names(found), names(written))
        })?;
    }
    Ok(())
}

/// Checks that two values are equal.
pub(super) fn require_equal<T: PartialEq + std::fmt::Debug>(
    subject: &str,
    found: &T,
    expected: &T,
) -> Result<()> {
    ensure(found == expected, || format!("{subject}: {found:?}, but {expected:?} was expected"))
}

/// Returns an error with the result of `problem` if the requirement is not fulfilled.
pub(super) fn ensure(is_fulfilled: bool, problem: impl FnOnce() -> String) -> Result<()> {
    if is_fulfilled { Ok(()) } else { Err(failed(problem())) }
}

pub(super) fn failed(problem: String) -> Error {
    Error::new(ErrorKind::Provider, problem)
}
