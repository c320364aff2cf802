//! The `#[serde(…)]` attributes of a type.

use proc_macro2::Ident;
use syn::Attribute;

use super::{Case, Rename};
use crate::ctxt::Ctxt;

/// The options of serde for a type.
#[derive(Debug, Default)]
pub(crate) struct ContainerAttr {
    pub(crate) rename_all: Option<Rename>,
    pub(crate) rename_all_fields: Option<Rename>,
    pub(crate) default: bool,
    pub(crate) transparent: bool,
    /// Whether serde writes or reads another type instead: `from`, `try_from`, `into`.
    pub(crate) converted: bool,
    pub(crate) remote: Option<Ident>,
    tag: Option<String>,
    content: Option<Ident>,
    untagged: bool,
}

/// How serde writes the variant of an enum.
#[derive(Debug)]
pub(crate) enum Tagging {
    External,
    Internal(String),
    Adjacent(Ident),
    Untagged,
}

impl ContainerAttr {
    /// Reads the attributes.
    pub(crate) fn read(attributes: &[Attribute]) -> Self {
        let mut attr = Self::default();
        for option in super::options(attributes) {
            match option.name.to_string().as_str() {
                "rename_all" => attr.rename_all = Some(Rename::read(&option)),
                "rename_all_fields" => attr.rename_all_fields = Some(Rename::read(&option)),
                "default" => attr.default = true,
                "transparent" => attr.transparent = true,
                "from" | "try_from" | "into" => attr.converted = true,
                "remote" => attr.remote = Some(option.name),
                "tag" => attr.tag = option.as_string().map(|tag| tag.value()),
                "content" => attr.content = Some(option.name),
                "untagged" => attr.untagged = true,
                _ => {}
            }
        }
        attr
    }

    /// Returns how serde writes the variant of an enum.
    pub(crate) fn tagging(&self) -> Tagging {
        match (&self.tag, &self.content) {
            _ if self.untagged => Tagging::Untagged,
            (Some(_), Some(content)) => Tagging::Adjacent(content.clone()),
            (Some(tag), None) => Tagging::Internal(tag.clone()),
            (None, _) => Tagging::External,
        }
    }

    /// Returns the naming rule for the fields of a struct.
    pub(crate) fn case(&self) -> Case {
        case(self.rename_all.as_ref())
    }

    /// Returns the naming rule for the fields of variants.
    pub(crate) fn variant_field_case(&self) -> Case {
        case(self.rename_all_fields.as_ref())
    }

    /// Adds errors for options with which a record could not be read back.
    pub(crate) fn check(&self, cx: &mut Ctxt) {
        for rename in [&self.rename_all, &self.rename_all_fields].into_iter().flatten() {
            rename.check_rule(cx);
        }
        if let Some(remote) = &self.remote {
            cx.error(
                remote,
                "with `remote` this type represents another type and does not implement serde's traits itself; \
                 derive `Entity` on a `#[serde(transparent)]` newtype of the other type",
            );
        }
    }
}

/// Returns the naming rule of a `rename_all` option.
pub(super) fn case(rename: Option<&Rename>) -> Case {
    rename.and_then(Rename::written).map_or(Case::Unchanged, Case::named)
}
