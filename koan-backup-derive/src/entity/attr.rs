//! The attributes `#[entity(…)]` and `#[entity_backup(…)]`.

use syn::{Attribute, LitStr};

use crate::ctxt::Ctxt;
use crate::identity::IdentityOptions;
use crate::options;
use crate::place::{Known, Place};
use crate::policy::PolicyOptions;
use crate::setting::Setting;

/// The options that the attributes declare for a type.
#[derive(Default)]
pub(crate) struct TypeOptions {
    pub(crate) identity: IdentityOptions,
    /// The policy; `None` without an `#[entity_backup]` attribute.
    pub(crate) policy: Option<PolicyOptions>,
}

/// The options that the attributes declare for a field.
#[derive(Default)]
pub(crate) struct FieldOptions {
    pub(crate) key: Setting<()>,
    pub(crate) column: Setting<LitStr>,
}

impl TypeOptions {
    /// Reads the attributes of a type.
    pub(crate) fn read(attributes: &[Attribute], cx: &mut Ctxt) -> Self {
        let mut options = Self::default();
        for attribute in attributes {
            if attribute.path().is_ident("entity_backup") {
                let list = options::of_attribute(attribute, cx);
                options.policy.get_or_insert_default().read(list, Place::Policy, cx);
            } else if attribute.path().is_ident("entity") {
                for option in options::of_attribute(attribute, cx) {
                    let known = Place::Type.resolve(&option.name, cx);
                    options.identity.read(&option, known, cx);
                }
            }
        }
        options
    }
}

impl FieldOptions {
    /// Reads the attributes of a field.
    pub(crate) fn read(attributes: &[Attribute], cx: &mut Ctxt) -> Self {
        let mut options = Self::default();
        refuse_policy(attributes, cx);
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("entity")) {
            for option in options::of_attribute(attribute, cx) {
                match Place::Field.resolve(&option.name, cx) {
                    Known::Option("key") => {
                        option.bare(cx);
                        options.key.set(&option, Some(()), cx);
                    }
                    Known::Option(_) => options.column.set(&option, option.string(cx), cx),
                    Known::Meant("key") => options.key.set_invalid(&option),
                    Known::Meant(_) => options.column.set_invalid(&option),
                    Known::Unknown => {}
                }
            }
        }
        options
    }
}

/// Adds an error for `#[entity_backup]` on a field or variant.
fn refuse_policy(attributes: &[Attribute], cx: &mut Ctxt) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("entity_backup")) {
        cx.error(
            attribute.path(),
            "`#[entity_backup]` belongs on the type, because a backup contains whole records; move it to the \
             type, or exclude a field with `#[serde(skip)]`",
        );
    }
}

/// Adds errors for these attributes on a variant.
pub(crate) fn refuse_on_variant(attributes: &[Attribute], cx: &mut Ctxt) {
    refuse_policy(attributes, cx);
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("entity")) {
        cx.error(
            attribute.path(),
            "`#[entity]` belongs on the type or on a field, not on a variant; move it to one of these",
        );
    }
}

/// Adds errors for these attributes on a field without a name or of a transparent type.
pub(crate) fn refuse_on_unnamed(attributes: &[Attribute], cx: &mut Ctxt) {
    refuse_policy(attributes, cx);
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("entity")) {
        cx.error(
            attribute.path(),
            "`#[entity]` has no effect on this field, because it is not a field of a record; declare the key on \
             the type: `#[entity(key = \"id: i64\")]`",
        );
    }
}
