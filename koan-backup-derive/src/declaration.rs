//! A checked entity and its expansion: an `impl Entity` and one registration.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

use crate::identity::Identity;
use crate::policy::{Policy, optional};

/// An entity whose options were all checked, so that its expansion cannot fail.
pub(crate) struct Declaration {
    /// The path of the module that expansions refer to.
    pub(crate) private: TokenStream,
    /// The attributes of the expansion that switch lints off.
    pub(crate) lints: TokenStream,
    /// The type.
    pub(crate) ty: TokenStream,
    /// The type as text.
    pub(crate) type_text: String,
    /// The name of the entity if no name is declared.
    pub(crate) default_name: String,
    pub(crate) identity: Identity,
    pub(crate) policy: Option<Policy>,
    pub(crate) key: KeyExpansion,
    pub(crate) shape: ShapeExpansion,
}

/// The parts of the expansion that depend on the key.
pub(crate) struct KeyExpansion {
    /// The type `Entity::Key`.
    pub(crate) ty: TokenStream,
    /// The type as text.
    pub(crate) text: String,
    /// The body of `Entity::key`.
    pub(crate) body: TokenStream,
}

/// The parts of the expansion that depend on the shape.
pub(crate) struct ShapeExpansion {
    /// Constants that the shape refers to.
    pub(crate) constants: TokenStream,
    /// An expression of the type `Shape`.
    pub(crate) value: TokenStream,
}

impl Declaration {
    pub(crate) fn expand(&self) -> TokenStream {
        let Self { private, lints, ty, type_text, .. } = self;
        let KeyExpansion { ty: key_type, text: key_text, body } = &self.key;
        let ShapeExpansion { constants, value: shape } = &self.shape;
        let name = self.identity.name.as_ref().unwrap_or(&self.default_name);
        let aliases = &self.identity.aliases;
        let table = optional(self.identity.table.as_ref());
        let provider = optional(self.identity.provider.as_ref());
        let route = optional(self.identity.route.as_ref());
        let policy = optional(self.policy.as_ref().map(Policy::expand));
        // An error about the type of the key, for example because it is private, points at the field.
        let key_span = key_type.clone().into_iter().next().map_or_else(Span::call_site, |token| token.span());
        let key_item = quote_spanned!(Span::call_site().located_at(key_span)=> type Key = #key_type;);
        quote! {
            #lints
            const _: () = {
                use #private as __koan;

                #constants

                static __DESCRIPTOR: __koan::EntityDescriptor =
                    __koan::EntityDescriptor::new::<#ty>(__koan::EntityDeclaration {
                        name: #name,
                        aliases: &[#(#aliases),*],
                        table: #table,
                        provider: #provider,
                        route: #route,
                        module_path: __koan::core::module_path!(),
                        ident: #type_text,
                        file: __koan::core::file!(),
                        line: __koan::core::line!(),
                        key_type: #key_text,
                        policy: #policy,
                        shape: #shape,
                    });

                #[__koan::linkme::distributed_slice(__koan::ENTITIES)]
                #[linkme(crate = __koan::linkme)]
                static __ENTRY: &'static __koan::EntityDescriptor = &__DESCRIPTOR;

                #[automatically_derived]
                impl __koan::Entity for #ty
                where
                    // A bound with a lifetime may be unsatisfied without an error. A missing derive of serde is reported
                    // once, by the descriptor, and not for each item that needs it.
                    for<'__any> Self: __koan::serde::Serialize + __koan::serde::Deserialize<'__any>,
                {
                    #key_item

                    fn key(&self) -> <Self as __koan::Entity>::Key {
                        #body
                    }

                    fn descriptor() -> &'static __koan::EntityDescriptor {
                        &__DESCRIPTOR
                    }
                }
            };
        }
    }
}

/// Returns an `impl Entity` without content for a type with errors, so that code that uses the type does not
/// cause additional errors.
pub(crate) fn stub(
    private: &TokenStream,
    lints: &TokenStream,
    ty: &TokenStream,
    generics: Option<&syn::Generics>,
) -> TokenStream {
    let (params, arguments) = generics.map(|generics| generics.split_for_impl()).map_or_else(
        || (TokenStream::new(), TokenStream::new()),
        |(params, arguments, _)| (quote!(#params), quote!(#arguments)),
    );
    let own =
        generics.iter().flat_map(|generics| &generics.where_clause).flat_map(|clause| &clause.predicates);
    quote! {
        #lints
        const _: () = {
            use #private as __koan;

            #[automatically_derived]
            impl #params __koan::Entity for #ty #arguments
            where
                // A bound with a lifetime may be unsatisfied without a compile error, so a type that does not
                // implement serde's traits causes no additional error.
                for<'__any> Self: __koan::serde::Serialize
                    + __koan::serde::Deserialize<'__any>
                    + __koan::core::marker::Send
                    + __koan::core::marker::Sync
                    + 'static,
                #(#own,)*
            {
                type Key = ();

                fn key(&self) -> <Self as __koan::Entity>::Key {
                    __koan::core::unreachable!()
                }

                fn descriptor() -> &'static __koan::EntityDescriptor {
                    __koan::core::unreachable!()
                }
            }
        };
    }
}
