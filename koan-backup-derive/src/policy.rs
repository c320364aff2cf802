//! The policy of an entity: `#[entity_backup(…)]`, and `backup(…)` of `register!`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::LitStr;

use crate::ctxt::Ctxt;
use crate::options::Opt;
use crate::place::{Known, Place};
use crate::setting::Setting;

/// The options before they are checked.
#[derive(Default)]
pub(crate) struct PolicyOptions {
    enabled: Setting<bool>,
    reason: Setting<LitStr>,
    encrypt: Setting<bool>,
    include_schema: Setting<bool>,
    retention_days: Setting<u32>,
}

/// A checked policy. An omitted option is `None`.
pub(crate) struct Policy {
    enabled: Option<bool>,
    reason: Option<String>,
    encrypt: Option<bool>,
    include_schema: Option<bool>,
    retention_days: Option<u32>,
}

impl PolicyOptions {
    /// Adds the options of one attribute.
    pub(crate) fn read(&mut self, options: Vec<Opt>, place: Place, cx: &mut Ctxt) {
        for option in options {
            match place.resolve(&option.name, cx) {
                Known::Option("enabled") => self.enabled.set(&option, option.flag(cx), cx),
                Known::Option("reason") => self.reason.set(&option, option.string(cx), cx),
                Known::Option("encrypt") => self.encrypt.set(&option, option.flag(cx), cx),
                Known::Option("include_schema") => self.include_schema.set(&option, option.flag(cx), cx),
                Known::Option("retention_days") => self.retention_days.set(&option, option.days(cx), cx),
                Known::Meant("enabled") => self.enabled.set_invalid(&option),
                Known::Meant("reason") => self.reason.set_invalid(&option),
                Known::Option(_) | Known::Meant(_) | Known::Unknown => {}
            }
        }
    }

    /// Adds errors for options that contradict each other, and returns the policy.
    pub(crate) fn check(self, cx: &mut Ctxt) -> Policy {
        if let Some(reason) = self.reason.get().filter(|reason| reason.value().trim().is_empty()) {
            cx.error(reason, "the reason is empty; state why this entity is not backed up");
        }
        match self.enabled.get() {
            Some(false) => self.check_excluded(cx),
            // An error was already added for the invalid value, and the intended value is unknown.
            None if self.enabled.name().is_some() => {}
            _ => {
                if let Some(name) = self.reason.name() {
                    cx.error(
                        name,
                        "`reason` is for excluded entities only; add `enabled = false`, or remove `reason`",
                    );
                }
            }
        }
        Policy {
            enabled: self.enabled.take(),
            reason: self.reason.take().map(|reason| reason.value()),
            encrypt: self.encrypt.take(),
            include_schema: self.include_schema.take(),
            retention_days: self.retention_days.take(),
        }
    }

    fn check_excluded(&self, cx: &mut Ctxt) {
        if let (None, Some(enabled)) = (self.reason.name(), self.enabled.name()) {
            cx.error(enabled, "an excluded entity needs a reason; add `reason = \"…\"`");
        }
        let without_effect = [self.encrypt.name(), self.include_schema.name(), self.retention_days.name()];
        for name in without_effect.into_iter().flatten() {
            cx.error(name, format!("`{name}` has no effect on an excluded entity; remove it"));
        }
    }
}

/// Expands an optional value to `Some(…)` or `None`.
pub(crate) fn optional(value: Option<impl quote::ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(__koan::core::option::Option::Some(#value)),
        None => quote!(__koan::core::option::Option::None),
    }
}

impl Policy {
    /// Expands the policy to a `PolicyDeclaration`.
    pub(crate) fn expand(&self) -> TokenStream {
        let [enabled, encrypt, include_schema] =
            [self.enabled, self.encrypt, self.include_schema].map(optional);
        let reason = optional(self.reason.as_ref());
        let retention_days = optional(self.retention_days);
        quote! {
            __koan::PolicyDeclaration {
                enabled: #enabled,
                reason: #reason,
                encrypt: #encrypt,
                include_schema: #include_schema,
                retention_days: #retention_days,
            }
        }
    }
}
