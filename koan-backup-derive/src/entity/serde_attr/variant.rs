//! The `#[serde(…)]` attributes of a variant.

use proc_macro2::Ident;
use syn::Attribute;

use super::{Case, Rename};
use crate::ctxt::Ctxt;

/// The options of serde for a variant.
#[derive(Debug, Default)]
pub(crate) struct VariantAttr {
    pub(crate) untagged: Option<Ident>,
    /// The option by which serde reads all unknown tags as this variant.
    pub(crate) other: Option<Ident>,
    rename: Option<Rename>,
    rename_all: Option<Rename>,
    skip: bool,
    skip_serializing: Option<Ident>,
    skip_deserializing: Option<Ident>,
    with: Option<Ident>,
}

impl VariantAttr {
    /// Reads the attributes.
    pub(crate) fn read(attributes: &[Attribute]) -> Self {
        let mut attr = Self::default();
        for option in super::options(attributes) {
            match option.name.to_string().as_str() {
                "rename" => attr.rename = Some(Rename::read(&option)),
                "rename_all" => attr.rename_all = Some(Rename::read(&option)),
                "skip" => attr.skip = true,
                "skip_serializing" => attr.skip_serializing = Some(option.name),
                "skip_deserializing" => attr.skip_deserializing = Some(option.name),
                "with" | "serialize_with" | "deserialize_with" => attr.with = Some(option.name),
                "other" => attr.other = Some(option.name),
                "untagged" => attr.untagged = Some(option.name),
                _ => {}
            }
        }
        attr
    }

    /// Returns the naming rule for the fields of the variant.
    pub(crate) fn case(&self) -> Case {
        super::container::case(self.rename_all.as_ref())
    }

    /// Returns whether serde neither writes nor reads the variant.
    pub(crate) fn skipped(&self) -> bool {
        self.skip || (self.skip_serializing.is_some() && self.skip_deserializing.is_some())
    }

    /// Adds errors for options with which a record could not be read back. `name` is the name that serde
    /// would use if there were no `rename`.
    pub(crate) fn check(&self, name: &str, cx: &mut Ctxt) {
        if self.skipped() {
            return;
        }
        if let Some(rename) = &self.rename {
            rename.check(name, cx);
        }
        if let Some(rename) = &self.rename_all {
            rename.check_rule(cx);
        }
        if let Some(at) = &self.skip_serializing {
            cx.error(
                at,
                "records of this variant could not be written, so no backup could contain them; use `skip`",
            );
        }
        if let Some(at) = &self.skip_deserializing {
            cx.error(
                at,
                "records of this variant would be written but could not be read back; use `skip`, \
                 or remove `skip_deserializing`",
            );
        }
        if let Some(at) = &self.with {
            cx.error(
                at,
                format!(
                    "the fields that serde writes for this variant are not known; put `{at}` on the fields, not \
                     on the variant"
                ),
            );
        }
    }
}
