//! The attributes `#[event_stream(…)]` and `#[entity_backup(…)]` of an event type.

use proc_macro2::TokenStream;
use syn::{Attribute, DeriveInput, LitStr, Path};

use super::layout::{Layout, LayoutOptions};
use crate::ctxt::Ctxt;
use crate::identity::Root;
use crate::name;
use crate::options;
use crate::place::{Known, Place};
use crate::policy::{Policy, PolicyOptions};
use crate::setting::Setting;

/// The options before they are checked.
#[derive(Default)]
pub(super) struct StreamOptions {
    object: Setting<LitStr>,
    provider: Setting<LitStr>,
    layout: LayoutOptions,
    krate: Setting<Path>,
    /// The policy; `None` without an `#[entity_backup]` attribute.
    policy: Option<PolicyOptions>,
}

/// The checked options.
pub(super) struct Streams {
    pub(super) object: String,
    pub(super) provider: Option<String>,
    pub(super) layout: Layout,
    pub(super) policy: Option<Policy>,
}

impl StreamOptions {
    /// Reads the attributes of a type.
    pub(super) fn read(attributes: &[Attribute], cx: &mut Ctxt) -> Self {
        let mut read = Self::default();
        for attribute in attributes {
            if attribute.path().is_ident("entity_backup") {
                let list = options::of_attribute(attribute, cx);
                read.policy.get_or_insert_default().read(list, Place::StreamPolicy, cx);
            } else if attribute.path().is_ident("event_stream") {
                for option in options::of_attribute(attribute, cx) {
                    match Place::Stream.resolve(&option.name, cx) {
                        Known::Option("object") => read.object.set(&option, option.string(cx), cx),
                        Known::Option("provider") => read.provider.set(&option, option.string(cx), cx),
                        Known::Option("tag") => read.layout.tag.set(&option, option.string(cx), cx),
                        Known::Option("content") => read.layout.content.set(&option, option.string(cx), cx),
                        Known::Option("crate") => read.krate.set(&option, option.path(cx), cx),
                        Known::Meant("object") => read.object.set_invalid(&option),
                        Known::Meant("tag") => read.layout.tag.set_invalid(&option),
                        Known::Meant("content") => read.layout.content.set_invalid(&option),
                        Known::Option(_) | Known::Meant(_) | Known::Unknown => {}
                    }
                }
            }
        }
        read
    }

    /// Returns the path of the module that expansions refer to.
    pub(super) fn private(&self, root: Root) -> TokenStream {
        root.private(self.krate.get())
    }

    /// Checks the options. Returns `None` if the object name is missing or invalid; the error was added.
    pub(super) fn check(self, input: &DeriveInput, cx: &mut Ctxt) -> Option<Streams> {
        if self.object.name().is_none() {
            cx.error(
                &input.ident,
                "an event type needs the object name of its streams, as the event store contains it; add \
                 `#[event_stream(object = \"…\")]`",
            );
        }
        let object = self.object.get().and_then(|literal| name::object(literal, cx));
        let provider = self.provider.get().and_then(|literal| name::text(literal, "provider", cx));
        let layout = self.layout.check(input, cx);
        let policy = self.policy.map(|policy| policy.check(cx));
        Some(Streams { object: object?, provider, layout, policy })
    }
}
