//! `#[derive(Entity)]`: parse, check, expand.

mod attr;
mod borrowed;
mod column;
mod expand;
mod form;
mod key;
mod model;
mod serde_attr;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Data, DeriveInput};

use self::attr::TypeOptions;
use self::form::{Body, Form};
use self::serde_attr::ContainerAttr;
use crate::ctxt::Ctxt;
use crate::declaration::{Declaration, KeyExpansion, ShapeExpansion, stub};
use crate::hints::Hints;
use crate::identity::{Identity, Root};
use crate::lints;
use crate::typed_key;

/// Expands the derive.
pub(crate) fn derive(input: &DeriveInput, root: Root) -> TokenStream {
    let mut cx = Ctxt::default();
    let options = TypeOptions::read(&input.attrs, &mut cx);
    let private = options.identity.private(root);
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
    let hints = Hints::of_derive(input).expand(&private);
    quote!(#hints #expansion)
}

fn check(
    input: &DeriveInput,
    options: TypeOptions,
    private: TokenStream,
    cx: &mut Ctxt,
) -> Option<Declaration> {
    let name = input.ident.unraw().to_string();
    let serde = ContainerAttr::read(&input.attrs);
    serde.check(cx);
    let identity = options.identity.check(&name, cx);
    let policy = options.policy.map(|policy| policy.check(cx));
    let (key, shape) = match Form::of(input, &serde, cx)? {
        Form::Body(body) => key_and_shape(input, &body, &identity, cx)?,
        Form::Transparent(member) => typed_key::expand_required_key(
            &identity.key,
            &input.ident,
            &quote!(self.#member),
            &input.ident.to_token_stream(),
            cx,
        )?,
    };
    Some(Declaration {
        private,
        lints: lints::of_derive(input),
        ty: input.ident.to_token_stream(),
        type_text: name.clone(),
        default_name: name,
        identity,
        policy,
        key,
        shape,
    })
}

/// Expands the key and the shape of a type with its own fields.
fn key_and_shape(
    input: &DeriveInput,
    body: &Body,
    identity: &Identity,
    cx: &mut Ctxt,
) -> Option<(KeyExpansion, ShapeExpansion)> {
    check_serde(body, cx);
    let columns = column::resolve(body, cx);
    let key = key::resolve(&input.ident, body, &identity.key, cx)?;
    Some((expand::key(&input.ident, body, &key), expand::shape(&input.ident, body, &key, &columns)))
}

/// Adds errors for fields and variants that serde writes but does not read back.
fn check_serde(body: &Body, cx: &mut Ctxt) {
    if body.converted {
        return;
    }
    for variant in body.variants.iter() {
        variant.serde.check(&variant.ident.unraw().to_string(), cx);
        if variant.serde.skipped() {
            continue;
        }
        for field in variant.fields.iter().flatten() {
            field.serde.check(&field.own_name, field.optional(), cx);
            if field.serde.skipped().is_none() && field.serde.deserialize_with.is_none() {
                borrowed::check(&field.ty, cx);
            }
        }
    }
}

/// Returns an `impl Entity` without content, or nothing for a union, which cannot implement serde's traits.
fn fallback(input: &DeriveInput, private: &TokenStream) -> TokenStream {
    if matches!(input.data, Data::Union(_)) {
        return TokenStream::new();
    }
    let generics = Some(&input.generics).filter(|generics| !generics.params.is_empty());
    stub(private, &lints::of_derive(input), &input.ident.to_token_stream(), generics)
}
