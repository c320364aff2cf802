//! The attributes of serde. Serde itself reports errors in these attributes.

mod case;
mod container;
mod field;
mod rename;
mod variant;

use syn::Attribute;

pub(crate) use case::Case;
pub(crate) use container::{ContainerAttr, Tagging};
pub(crate) use field::FieldAttr;
pub(crate) use rename::Rename;
pub(crate) use variant::VariantAttr;

use crate::ctxt::Ctxt;
use crate::options::{self, Opt};

/// Returns the options of all `#[serde(…)]` attributes.
fn options(attributes: &[Attribute]) -> Vec<Opt> {
    let mut ignored = Ctxt::default();
    let attributes = attributes.iter().filter(|attribute| attribute.path().is_ident("serde"));
    attributes.flat_map(|attribute| options::of_attribute(attribute, &mut ignored)).collect()
}
