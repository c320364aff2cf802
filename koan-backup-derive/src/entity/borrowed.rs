//! Refuses references in fields: a record that is read from an archive has nothing that they could refer to.

use syn::visit::{self, Visit};
use syn::{Type, TypeFnPtr, TypeReference};

use crate::ctxt::Ctxt;
use crate::spelling;

/// Checks that a type contains no reference, except in the types of functions and of `PhantomData`.
pub(crate) fn check(ty: &Type, cx: &mut Ctxt) {
    let mut references = References::default();
    references.visit_type(ty);
    for reference in references.0 {
        let owned = match spelling::of(&reference.elem).as_str() {
            "str" => "`String`, or `Cow<'static, str>`".to_owned(),
            "[u8]" => "`Vec<u8>`".to_owned(),
            other if other.starts_with('[') => "`Vec<…>`".to_owned(),
            other => format!("`{other}`"),
        };
        cx.error(
            reference,
            format!("serde cannot read a reference back from an archive, because nothing owns its value; use {owned}"),
        );
    }
}

#[derive(Default)]
struct References<'a>(Vec<&'a TypeReference>);

impl<'a> Visit<'a> for References<'a> {
    fn visit_type_reference(&mut self, reference: &'a TypeReference) {
        self.0.push(reference);
    }

    fn visit_type_fn_ptr(&mut self, _: &'a TypeFnPtr) {}

    fn visit_path_segment(&mut self, segment: &'a syn::PathSegment) {
        if segment.ident != "PhantomData" {
            visit::visit_path_segment(self, segment);
        }
    }
}
