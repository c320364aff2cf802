//! Refuses references in fields: a record that is read from an archive has nothing that they could refer to.

use syn::{GenericArgument, PathArguments, Type, TypeReference};

use crate::ctxt::Ctxt;
use crate::spelling;

/// The containers in which a reference is found. In other types, a reference may be a mere parameter.
const CONTAINERS: &[&str] =
    &["Option", "Vec", "VecDeque", "Box", "Rc", "Arc", "HashMap", "BTreeMap", "HashSet", "BTreeSet"];

/// Checks that a type is not a reference and contains none, as far as its own tokens and the usual containers show.
pub(crate) fn check(ty: &Type, cx: &mut Ctxt) {
    match ty {
        Type::Reference(reference) => report(reference, cx),
        Type::Group(group) => check(&group.elem, cx),
        Type::Paren(paren) => check(&paren.elem, cx),
        Type::Array(array) => check(&array.elem, cx),
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|element| check(element, cx)),
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return };
            if !CONTAINERS.iter().any(|container| last.ident == container) {
                return;
            }
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return };
            for argument in &arguments.args {
                if let GenericArgument::Type(ty) = argument {
                    check(ty, cx);
                }
            }
        }
        _ => {}
    }
}

fn report(reference: &TypeReference, cx: &mut Ctxt) {
    let owned = match spelling::of(&reference.elem).as_str() {
        "str" => "`String`, or `Cow<'static, str>`".to_owned(),
        "[u8]" => "`Vec<u8>`".to_owned(),
        other if other.starts_with('[') => "`Vec<…>`".to_owned(),
        other => format!("`{other}`"),
    };
    cx.error(
        reference,
        format!(
            "serde cannot read a reference back from an archive, because nothing owns its value; use {owned}"
        ),
    );
}
