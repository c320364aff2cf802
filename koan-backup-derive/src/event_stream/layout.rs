//! Where the type of an event is: in the payload, or beside it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, LitStr};

use crate::ctxt::Ctxt;
use crate::name;
use crate::options;
use crate::setting::Setting;

/// The options before they are checked.
#[derive(Default)]
pub(super) struct LayoutOptions {
    pub(super) tag: Setting<LitStr>,
    pub(super) content: Setting<LitStr>,
}

/// The checked options.
pub(super) enum Layout {
    /// The payload contains the type of the event.
    InPayload,
    /// The type is beside the payload. An event is read from a map with these two names.
    Beside { tag: String, content: String },
}

impl LayoutOptions {
    /// Checks the options, and that serde reads the type with them.
    pub(super) fn check(self, input: &DeriveInput, cx: &mut Ctxt) -> Layout {
        match (self.tag.name(), self.content.name()) {
            (Some(tag), None) => cx.error(
                tag,
                "`tag` needs `content`, the name of the payload; add `content = \"payload\"`, or remove `tag` if the payload \
                 contains the type of the event",
            ),
            (None, Some(content)) => cx.error(
                content,
                "`content` needs `tag`, the name of the type of the event; add `tag = \"type\"`, or remove `content` if the \
                 payload contains the type",
            ),
            _ => {}
        }
        let name = |literal: &LitStr, option, cx: &mut Ctxt| {
            name::text(literal, option, cx).map(|name| (literal.clone(), name))
        };
        let tag = self.tag.get().and_then(|literal| name(literal, "tag", cx));
        let content = self.content.get().and_then(|literal| name(literal, "content", cx));
        let (Some((tag_at, tag)), Some((content_at, content))) = (tag, content) else {
            return Layout::InPayload;
        };
        if tag == content {
            cx.error(
                content_at,
                format!("the type and the payload have the same name `{tag}`; rename one of them"),
            );
        } else if matches!(input.data, Data::Enum(_)) {
            Enum::read(&input.attrs).check((&tag_at, &tag), (&content_at, &content), cx);
        }
        Layout::Beside { tag, content }
    }
}

impl Layout {
    /// Expands the layout to an `EventLayout`.
    pub(super) fn expand(&self) -> TokenStream {
        match self {
            Self::InPayload => quote!(__koan::EventLayout::InPayload),
            Self::Beside { tag, content } => {
                quote!(__koan::EventLayout::Beside { tag: #tag, content: #content })
            }
        }
    }
}

/// How serde reads an enum.
#[derive(Default)]
struct Enum {
    tag: Option<String>,
    content: Option<String>,
    /// Whether serde decides in another way, which this macro cannot check.
    is_other: bool,
}

impl Enum {
    fn read(attributes: &[Attribute]) -> Self {
        // Serde itself reports errors in its attributes.
        let mut ignored = Ctxt::default();
        let mut read = Self::default();
        let attributes = attributes.iter().filter(|attribute| attribute.path().is_ident("serde"));
        for option in attributes.flat_map(|attribute| options::of_attribute(attribute, &mut ignored)) {
            match option.name.to_string().as_str() {
                "tag" => read.tag = option.as_string().map(|tag| tag.value()),
                "content" => read.content = option.as_string().map(|content| content.value()),
                "untagged" | "from" | "try_from" | "remote" | "transparent" => read.is_other = true,
                _ => {}
            }
        }
        read
    }

    /// Adds errors if serde does not read the enum from a map with these names.
    fn check(&self, tag: (&LitStr, &str), content: (&LitStr, &str), cx: &mut Ctxt) {
        if self.is_other {
            return;
        }
        match &self.tag {
            None => cx.error(
                tag.0,
                format!(
                    "serde reads this enum from a map whose only name is that of the variant; add `#[serde(tag = {:?}, \
                     content = {:?})]` to it",
                    tag.1, content.1
                ),
            ),
            Some(known) if known != tag.1 => {
                cx.error(tag.0, format!("serde reads the variant of this enum from `{known}`; write `tag = {known:?}`"));
            }
            Some(_) => {}
        }
        if let Some(known) = self.content.as_deref().filter(|known| *known != content.1) {
            cx.error(
                content.0,
                format!("serde reads the content of this enum from `{known}`; write `content = {known:?}`"),
            );
        }
    }
}
