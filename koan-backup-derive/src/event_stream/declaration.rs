//! Checked event streams and their expansion: an `impl EventStream` and one registration.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Generics;

use super::options::Streams;
use crate::policy::{Policy, optional};

/// Event streams whose options were all checked, so that their expansion cannot fail.
pub(super) struct Declaration {
    /// The path of the module that expansions refer to.
    pub(super) private: TokenStream,
    /// The attributes of the expansion that switch lints off.
    pub(super) lints: TokenStream,
    /// The type of the events.
    pub(super) ty: TokenStream,
    /// The identifier of the type.
    pub(super) ident: String,
    pub(super) streams: Streams,
}

impl Declaration {
    pub(super) fn expand(&self) -> TokenStream {
        let Self { private, lints, ty, ident, streams } = self;
        let object = &streams.object;
        let names = parts(object);
        let idents = parts(ident);
        let provider = optional(streams.provider.as_ref());
        let policy = optional(streams.policy.as_ref().map(Policy::expand));
        let layout = streams.layout.expand();
        quote! {
            #lints
            const _: () = {
                use #private as __koan;

                static __DESCRIPTOR: __koan::StreamDescriptor =
                    __koan::StreamDescriptor::new::<#ty>(__koan::StreamDeclaration {
                        object: #object,
                        part_names: [#(#names),*],
                        part_idents: [#(#idents),*],
                        provider: #provider,
                        module_path: __koan::core::module_path!(),
                        file: __koan::core::file!(),
                        line: __koan::core::line!(),
                        policy: #policy,
                        layout: #layout,
                    });

                #[__koan::linkme::distributed_slice(__koan::STREAMS)]
                #[linkme(crate = __koan::linkme)]
                static __ENTRY: &'static __koan::StreamDescriptor = &__DESCRIPTOR;

                #[automatically_derived]
                impl __koan::EventStream for #ty
                where
                    // As for entities: a missing derive of serde is reported once, by the descriptor.
                    for<'__any> Self: __koan::serde::Deserialize<'__any>,
                {
                    fn descriptor() -> &'static __koan::StreamDescriptor {
                        &__DESCRIPTOR
                    }
                }
            };
        }
    }
}

/// Returns the names of the events, the documents and the snapshots.
fn parts(name: &str) -> [String; 3] {
    ["", ".documents", ".snapshots"].map(|part| format!("{name}{part}"))
}

/// Returns an `impl EventStream` without content for a type with errors, so that code that uses the type does not cause
/// additional errors.
pub(super) fn stub(
    private: &TokenStream,
    lints: &TokenStream,
    ty: &TokenStream,
    generics: &Generics,
) -> TokenStream {
    let (params, arguments, _) = generics.split_for_impl();
    let own = generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    quote! {
        #lints
        const _: () = {
            use #private as __koan;

            #[automatically_derived]
            impl #params __koan::EventStream for #ty #arguments
            where
                // A bound with a lifetime may be unsatisfied without a compile error.
                for<'__any> Self: __koan::serde::Deserialize<'__any>
                    + __koan::core::marker::Send
                    + __koan::core::marker::Sync
                    + 'static,
                #(#own,)*
            {
                fn descriptor() -> &'static __koan::StreamDescriptor {
                    __koan::core::unreachable!()
                }
            }
        };
    }
}
