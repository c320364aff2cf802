//! `#[derive(EventStream)]`: parse, check, expand.

mod declaration;
mod layout;
mod options;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput};

use self::declaration::{Declaration, stub};
use self::options::StreamOptions;
use crate::ctxt::Ctxt;
use crate::hints::Hints;
use crate::identity::Root;
use crate::lints;

/// Expands the derive.
pub(crate) fn derive(input: &DeriveInput, root: Root) -> TokenStream {
    let mut cx = Ctxt::default();
    let options = StreamOptions::read(&input.attrs, &mut cx);
    let private = options.private(root);
    let declaration = check(input, options, private.clone(), &mut cx);
    let expansion = match (cx.finish(), declaration) {
        (Ok(()), Some(declaration)) => declaration.expand(),
        (Err(errors), _) => {
            let errors = errors.into_compile_error();
            let stub = fallback(input, &private);
            quote!(#errors #stub)
        }
        (Ok(()), None) => unreachable!("a declaration is missing only after an error"),
    };
    let hints = Hints::of_event_type(input).expand(&private);
    quote!(#hints #expansion)
}

fn check(
    input: &DeriveInput,
    options: StreamOptions,
    private: TokenStream,
    cx: &mut Ctxt,
) -> Option<Declaration> {
    check_type(input, cx);
    check_places(input, cx);
    let streams = options.check(input, cx);
    Some(Declaration {
        private,
        lints: lints::of_derive(input),
        ty: input.ident.to_token_stream(),
        ident: input.ident.unraw().to_string(),
        streams: streams?,
    })
}

/// Adds an error for a type that cannot be the type of events.
fn check_type(input: &DeriveInput, cx: &mut Ctxt) {
    if !input.generics.params.is_empty() {
        let ident = &input.ident;
        cx.error(
            &input.generics.params,
            format!(
                "a generic type does not determine how events are decoded; derive `EventStream` on a concrete newtype \
                 instead: `#[derive(Deserialize, EventStream)] #[serde(transparent)] #[event_stream(object = \"…\")] \
                 struct My{ident}({ident}<…>);`"
            ),
        );
    }
    match &input.data {
        Data::Enum(data) if data.variants.is_empty() => {
            cx.error(&input.ident, "an enum without variants has no events; remove the derive");
        }
        Data::Enum(_) | Data::Struct(_) => {}
        Data::Union(data) => {
            cx.error(
                data.union_token,
                "serde cannot read a union; use an enum with a variant for each event",
            );
        }
    }
}

/// Adds errors for attributes on fields and variants that belong on the type.
fn check_places(input: &DeriveInput, cx: &mut Ctxt) {
    let refuse = |attributes: &[Attribute], cx: &mut Ctxt| {
        for attribute in attributes {
            for name in ["event_stream", "entity_backup"] {
                if attribute.path().is_ident(name) {
                    let text = format!(
                        "`#[{name}]` belongs on the type, because a backup contains whole events; move it to the type"
                    );
                    cx.error(attribute.path(), text);
                }
            }
        }
    };
    match &input.data {
        Data::Struct(data) => data.fields.iter().for_each(|field| refuse(&field.attrs, cx)),
        Data::Enum(data) => {
            for variant in &data.variants {
                refuse(&variant.attrs, cx);
                variant.fields.iter().for_each(|field| refuse(&field.attrs, cx));
            }
        }
        Data::Union(_) => {}
    }
}

/// Returns an `impl EventStream` without content, or nothing for a union, which cannot implement serde's traits.
fn fallback(input: &DeriveInput, private: &TokenStream) -> TokenStream {
    if matches!(input.data, Data::Union(_)) {
        return TokenStream::new();
    }
    stub(private, &lints::of_derive(input), &input.ident.to_token_stream(), &input.generics)
}
