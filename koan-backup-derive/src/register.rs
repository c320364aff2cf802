//! The macro `register!`, for an entity whose type cannot have the derive.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{PathArguments, Token, Type};

use crate::ctxt::Ctxt;
use crate::declaration::{Declaration, stub};
use crate::hints::Hints;
use crate::identity::{IdentityOptions, Root};
use crate::lints;
use crate::options;
use crate::place::{Known, Place};
use crate::policy::PolicyOptions;
use crate::spelling;
use crate::typed_key;

/// The type, and the options as tokens.
struct Input {
    ty: Type,
    options: TokenStream,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ty = input.parse().map_err(|error| {
            syn::Error::new(
                error.span(),
                "expected a type: `register!(Page<User>, name = \"UserPage\", key = \"id: u64\")`",
            )
        })?;
        if !input.is_empty() {
            let comma: syn::Result<Token![,]> = input.parse();
            comma.map_err(|error| syn::Error::new(error.span(), "expected a comma after the type"))?;
        }
        Ok(Self { ty, options: input.parse()? })
    }
}

/// Expands the macro.
pub(crate) fn expand(tokens: TokenStream, root: Root) -> TokenStream {
    let Input { ty, options } = match syn::parse2(tokens) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let hints = Hints::of_registration(&options);
    let mut cx = Ctxt::default();
    let mut identity = IdentityOptions::default();
    let mut policy: Option<PolicyOptions> = None;
    for option in options::of_tokens(options, &mut cx) {
        match Place::Registration.resolve(&option.name, &mut cx) {
            Known::Option("backup") => {
                let group = option.group(&mut cx);
                policy.get_or_insert_default().read(group, Place::RegisteredPolicy, &mut cx);
            }
            known => identity.read(&option, known, &mut cx),
        }
    }
    let private = identity.private(root);
    let declaration = check(&ty, identity, policy, private.clone(), &mut cx);
    let expansion = match (cx.finish(), declaration) {
        (Ok(()), Some(declaration)) => declaration.expand(),
        (Err(errors), _) => {
            let errors = errors.into_compile_error();
            let stub = stub(&private, &lints::of_registration(), &ty.to_token_stream(), None);
            quote!(#errors #stub)
        }
        (Ok(()), None) => unreachable!("a declaration is missing only after an error"),
    };
    let hints = hints.expand(&private);
    quote!(#hints #expansion)
}

fn check(
    ty: &Type,
    identity: IdentityOptions,
    policy: Option<PolicyOptions>,
    private: TokenStream,
    cx: &mut Ctxt,
) -> Option<Declaration> {
    let default_name = identifier(ty);
    let is_named = identity.is_named();
    let identity = identity.check(default_name.as_deref().unwrap_or_default(), cx);
    let policy = policy.map(|policy| policy.check(cx));
    if default_name.is_none() && !is_named {
        cx.error(ty, "this type has no identifier to use as its name; add `name = \"…\"`");
    }
    let (key, shape) =
        typed_key::expand_required_key(&identity.key, ty, &quote!(self), &ty.to_token_stream(), cx)?;
    Some(Declaration {
        private,
        lints: lints::of_registration(),
        ty: ty.to_token_stream(),
        type_text: spelling::of(ty),
        default_name: default_name.unwrap_or_default(),
        identity,
        policy,
        key,
        shape,
    })
}

/// Returns the identifier of a type, or `None` if the type has generic arguments or is not a path.
fn identifier(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    let has_no_arguments = path.qself.is_none()
        && path.path.segments.iter().all(|segment| matches!(segment.arguments, PathArguments::None));
    let last = path.path.segments.last().filter(|_| has_no_arguments)?;
    Some(last.ident.unraw().to_string())
}
