//! The components of a vector.

use std::fmt;

use half::f16;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::entity::codec::RecordError;

/// A vector, with components of the type that its store keeps.
///
/// Its JSON depends on the form:
///
/// | form | JSON |
/// |---|---|
/// | `float32` | an array of numbers, each the shortest decimal that is parsed as the same 32-bit float |
/// | `float16` | the same for 16-bit floats, each written as the shortest decimal of the equal 32-bit float |
/// | `bits` | a string of `0` and `1`, in the order of the bits |
/// | `sparse` | `{"indices":[…],"values":[…]}`: indices from 0 in ascending order, and 32-bit floats |
///
/// Floats are finite. `-0.0` and `0.0` differ. Two vectors are equal if all their bits are.
#[derive(Clone)]
pub enum VectorValue {
    /// 32-bit floats.
    Float32(Box<[f32]>),
    /// 16-bit floats of IEEE 754.
    Float16(Box<[f16]>),
    /// Bits.
    Bits(Box<[bool]>),
    /// 32-bit floats at few positions; all other components are 0.
    Sparse(SparseVector),
}

/// The type of the components of a vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VectorForm {
    /// 32-bit floats.
    #[default]
    Float32,
    /// 16-bit floats of IEEE 754.
    Float16,
    /// Bits.
    Bits,
    /// 32-bit floats at few positions.
    Sparse,
}

/// A vector with few components that are not 0.
#[derive(Clone, Debug)]
pub struct SparseVector {
    dimension: u32,
    indices: Box<[u32]>,
    values: Box<[f32]>,
}

impl SparseVector {
    /// Creates a vector from its components. The indices are counted from 0.
    ///
    /// # Errors
    /// The numbers of indices and values differ, the indices are not in ascending order, or an index is not below the
    /// dimension.
    pub fn new(dimension: u32, indices: Vec<u32>, values: Vec<f32>) -> Result<Self, RecordError> {
        if indices.len() != values.len() {
            return Err(RecordError::new("is a sparse vector with different numbers of indices and values"));
        }
        if !indices.is_sorted_by(|a, b| a < b) {
            return Err(RecordError::new("is a sparse vector whose indices are not in ascending order"));
        }
        if indices.last().is_some_and(|last| *last >= dimension) {
            return Err(RecordError::new("is a sparse vector with an index that is not below its dimension"));
        }
        Ok(Self { dimension, indices: indices.into(), values: values.into() })
    }

    /// Returns the indices, in ascending order.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// Returns the values at these indices.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

impl VectorValue {
    /// Returns the number of components.
    pub fn dimension(&self) -> usize {
        match self {
            Self::Float32(values) => values.len(),
            Self::Float16(values) => values.len(),
            Self::Bits(bits) => bits.len(),
            Self::Sparse(sparse) => usize::try_from(sparse.dimension).unwrap_or(usize::MAX),
        }
    }

    /// Returns the number of bytes of the indices and values of a sparse vector.
    pub fn sparse_bytes(&self) -> usize {
        match self {
            Self::Sparse(sparse) => sparse.indices.len() * 8,
            Self::Float32(_) | Self::Float16(_) | Self::Bits(_) => 0,
        }
    }

    /// Returns the type of the components.
    pub fn form(&self) -> VectorForm {
        match self {
            Self::Float32(_) => VectorForm::Float32,
            Self::Float16(_) => VectorForm::Float16,
            Self::Bits(_) => VectorForm::Bits,
            Self::Sparse(_) => VectorForm::Sparse,
        }
    }

    /// Returns whether no component is NaN or infinite.
    pub fn is_finite(&self) -> bool {
        match self {
            Self::Float32(values) => values.iter().all(|value| value.is_finite()),
            Self::Float16(values) => values.iter().all(|value| value.is_finite()),
            Self::Bits(_) => true,
            Self::Sparse(sparse) => sparse.values.iter().all(|value| value.is_finite()),
        }
    }

    /// Appends bytes that are the same for equal vectors only. The form and the dimension precede the components, whose
    /// bits are in little-endian order.
    pub fn push_bits(&self, out: &mut Vec<u8>) {
        let form: u8 = match self.form() {
            VectorForm::Float32 => 0,
            VectorForm::Float16 => 1,
            VectorForm::Bits => 2,
            VectorForm::Sparse => 3,
        };
        out.push(form);
        out.extend(u64::try_from(self.dimension()).unwrap_or(u64::MAX).to_le_bytes());
        match self {
            Self::Float32(values) => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            Self::Float16(values) => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            Self::Bits(bits) => out.extend(bits.iter().map(|bit| u8::from(*bit))),
            Self::Sparse(sparse) => {
                for (index, value) in sparse.indices.iter().zip(&sparse.values) {
                    out.extend(index.to_le_bytes());
                    out.extend(value.to_le_bytes());
                }
            }
        }
    }

    /// Reads the JSON of a vector of this form and dimension.
    ///
    /// # Errors
    /// The JSON has another form, the number of components differs, or a component is not a finite number of its type.
    pub fn from_json(form: VectorForm, dimension: usize, json: &RawValue) -> Result<Self, RecordError> {
        let json = json.get();
        let invalid = |_| RecordError::new("contains an embedding that does not have the form of its record");
        let value = match form {
            VectorForm::Float32 => {
                Self::Float32(serde_json::from_str::<Vec<f32>>(json).map_err(invalid)?.into())
            }
            VectorForm::Float16 => {
                let wide: Vec<f32> = serde_json::from_str(json).map_err(invalid)?;
                let narrow: Box<[f16]> = wide.iter().map(|value| f16::from_f32(*value)).collect();
                let is_exact = |(wide, narrow): (&f32, &f16)| narrow.to_f32().to_bits() == wide.to_bits();
                if !wide.iter().zip(&narrow).all(is_exact) {
                    return Err(RecordError::new("contains a component that is not a 16-bit float"));
                }
                Self::Float16(narrow)
            }
            VectorForm::Bits => {
                let text: String = serde_json::from_str(json).map_err(invalid)?;
                let bit = |character| match character {
                    '0' => Ok(false),
                    '1' => Ok(true),
                    _ => Err(RecordError::new("contains a bit that is neither 0 nor 1")),
                };
                Self::Bits(text.chars().map(bit).collect::<Result<_, _>>()?)
            }
            VectorForm::Sparse => {
                let fields: SparseFields = serde_json::from_str(json).map_err(invalid)?;
                let dimension = u32::try_from(dimension)
                    .map_err(|_| RecordError::new("is a sparse vector whose dimension exceeds 32 bits"))?;
                Self::Sparse(SparseVector::new(dimension, fields.indices, fields.values)?)
            }
        };
        if value.dimension() != dimension {
            return Err(RecordError::new(
                "contains an embedding whose number of components is not its dimension",
            ));
        }
        if !value.is_finite() {
            return Err(RecordError::new("contains a component that is NaN or infinite"));
        }
        Ok(value)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SparseFields {
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl Serialize for VectorValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::{Error as _, SerializeStruct as _};
        if !self.is_finite() {
            return Err(S::Error::custom("a component is NaN or infinite"));
        }
        match self {
            Self::Float32(values) => serializer.collect_seq(values),
            Self::Float16(values) => serializer.collect_seq(values.iter().map(|value| value.to_f32())),
            Self::Bits(bits) => {
                let text: String = bits.iter().map(|bit| if *bit { '1' } else { '0' }).collect();
                serializer.serialize_str(&text)
            }
            Self::Sparse(sparse) => {
                let mut fields = serializer.serialize_struct("SparseVector", 2)?;
                fields.serialize_field("indices", &sparse.indices)?;
                fields.serialize_field("values", &sparse.values)?;
                fields.end()
            }
        }
    }
}

impl PartialEq for VectorValue {
    fn eq(&self, other: &Self) -> bool {
        let bits = |value: &Self| {
            let mut bits = Vec::new();
            value.push_bits(&mut bits);
            bits
        };
        match (self, other) {
            (Self::Float32(a), Self::Float32(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
            }
            _ => bits(self) == bits(other),
        }
    }
}

impl Eq for VectorValue {}

impl fmt::Debug for VectorValue {
    /// Shows no component, because a vector tells much about the text of its record.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VectorValue({:?}, dimension {})", self.form(), self.dimension())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(form: VectorForm, dimension: usize, json: &str) -> Result<VectorValue, RecordError> {
        VectorValue::from_json(form, dimension, &RawValue::from_string(json.to_owned()).expect("JSON"))
    }

    fn require_round_trip(value: &VectorValue) {
        let json = serde_json::to_string(value).expect("the components are finite");
        let again = read(value.form(), value.dimension(), &json).expect("the JSON is read");
        assert!(again == *value, "{json}");
    }

    proptest! {
        #[test]
        fn every_finite_float_is_read_with_the_same_bits(bits in proptest::collection::vec(any::<u32>(), 1..64)) {
            let values: Box<[f32]> = bits.into_iter().map(f32::from_bits).filter(|value| value.is_finite()).collect();
            require_round_trip(&VectorValue::Float32(values));
        }

        #[test]
        fn sparse_vectors_and_bits_are_read_as_they_were_written(
            indices in proptest::collection::btree_set(0..500u32, 0..20),
            bits in proptest::collection::vec(any::<bool>(), 0..70),
        ) {
            let values: Vec<f32> = indices.iter().map(|index| 1.0 / (f32::from_bits(*index) + 3.0)).collect();
            let sparse = SparseVector::new(500, indices.into_iter().collect(), values).expect("valid");
            require_round_trip(&VectorValue::Sparse(sparse));
            require_round_trip(&VectorValue::Bits(bits.into()));
        }
    }

    #[test]
    fn every_16_bit_float_is_read_with_the_same_bits() {
        let all = (0..=u16::MAX).map(f16::from_bits).filter(|value| value.is_finite());
        require_round_trip(&VectorValue::Float16(all.collect()));
    }

    #[test]
    fn the_shortest_decimal_of_a_32_bit_float_is_written() {
        let json = serde_json::to_string(&VectorValue::Float32([0.1, -0.0, 0.4, 1e-45, 3.4028235e38].into()));
        assert_eq!(json.expect("JSON"), "[0.1,-0.0,0.4,1e-45,3.4028235e+38]");
    }

    #[test]
    fn vectors_that_are_not_what_their_record_says_are_refused() {
        for (form, dimension, json) in [
            (VectorForm::Float32, 2, "[1]"),
            (VectorForm::Float32, 1, "[null]"),
            (VectorForm::Float32, 1, "[1e39]"),
            (VectorForm::Float32, 1, "\"1\""),
            (VectorForm::Float16, 1, "[0.1]"),
            (VectorForm::Float16, 1, "[65536]"),
            (VectorForm::Bits, 2, "\"02\""),
            (VectorForm::Bits, 3, "\"01\""),
            (VectorForm::Sparse, 3, r#"{"indices":[3],"values":[1]}"#),
            (VectorForm::Sparse, 3, r#"{"indices":[1,1],"values":[1,2]}"#),
            (VectorForm::Sparse, 3, r#"{"indices":[1],"values":[]}"#),
            (VectorForm::Sparse, 3, r#"{"indices":[1],"values":[1],"more":0}"#),
        ] {
            assert!(read(form, dimension, json).is_err(), "{form:?} {dimension} {json}");
        }
        serde_json::to_string(&VectorValue::Float32([f32::NAN].into())).expect_err("NaN is not JSON");
    }

    #[test]
    fn vectors_are_equal_if_their_bits_are() {
        let floats = |values: &[f32]| VectorValue::Float32(values.into());
        assert!(floats(&[0.0]) != floats(&[-0.0]));
        assert!(floats(&[1.0]) != VectorValue::Float16([f16::ONE].into()));
        assert!(floats(&[0.0, 1.0]) == floats(&[0.0, 1.0]));
    }
}
