//! The macro `entity_backup_scope!`, which declares the default policy of a crate.

use proc_macro2::TokenStream;
use quote::quote;

use crate::ctxt::Ctxt;
use crate::hints::Hints;
use crate::identity::Root;
use crate::options;
use crate::place::{Known, Place};
use crate::policy::optional;
use crate::setting::Setting;

/// Expands the macro.
pub(crate) fn expand(tokens: TokenStream, root: Root) -> TokenStream {
    let hints = Hints::of_scope(&tokens);
    let mut cx = Ctxt::default();
    let mut krate = Setting::default();
    let mut mode = Setting::default();
    let mut encrypt = Setting::default();
    let mut include_schema = Setting::default();
    for option in options::of_tokens(tokens, &mut cx) {
        let cx = &mut cx;
        match Place::Scope.resolve(&option.name, cx) {
            Known::Option("crate") => krate.set(&option, option.path(cx), cx),
            Known::Option("mode") => mode.set(&option, option.one_of(&["All", "None"], cx), cx),
            Known::Option("encrypt_by_default") => encrypt.set(&option, option.flag(cx), cx),
            Known::Option(_) => include_schema.set(&option, option.flag(cx), cx),
            Known::Meant("mode") => mode.set_invalid(&option),
            Known::Meant(_) | Known::Unknown => {}
        }
    }
    if mode.name().is_none() {
        cx.error_at(
            proc_macro2::Span::call_site(),
            "a scope needs a mode; add `mode = All` to cover every entity of the crate, or `mode = None` to \
             cover only entities with `#[entity_backup]`",
        );
    }
    let private = root.private(krate.get());
    let hints = hints.expand(&private);
    if let Err(errors) = cx.finish() {
        let errors = errors.into_compile_error();
        return quote!(#hints #errors);
    }
    let mode = mode.take();
    let [encrypt, include_schema] = [encrypt.take(), include_schema.take()].map(optional);
    quote! {
        #hints

        #[doc(hidden)]
        const _ENTITY_BACKUP_SCOPE_IS_DECLARED_TWICE_IN_THIS_MODULE: () = {
            use #private as __koan;

            static __SCOPE: __koan::ScopeDeclaration = __koan::ScopeDeclaration {
                module_path: __koan::core::module_path!(),
                file: __koan::core::file!(),
                line: __koan::core::line!(),
                mode: __koan::ScopeMode::#mode,
                encrypt_by_default: #encrypt,
                include_schema_by_default: #include_schema,
            };

            #[__koan::linkme::distributed_slice(__koan::SCOPES)]
            #[linkme(crate = __koan::linkme)]
            static __ENTRY: &'static __koan::ScopeDeclaration = &__SCOPE;
        };
    }
}
