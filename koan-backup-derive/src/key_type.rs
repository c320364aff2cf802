//! The types that cannot be a key, as far as the syntax shows them. The start finds the others by the schema.

use syn::{PathArguments, Type};

/// Returns why a type cannot be a key, with the remedy, as the end of a sentence about the field.
pub(crate) fn fault(ty: &Type) -> Option<&'static str> {
    match ty {
        Type::Group(group) => fault(&group.elem),
        Type::Paren(paren) => fault(&paren.elem),
        Type::Tuple(tuple) if tuple.elems.is_empty() => {
            Some("is `()`, which is equal in all records; choose another key")
        }
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            match last.ident.to_string().as_str() {
                "Option" if has_arguments(&last.arguments) => Some(
                    "is an `Option`, and a record without a key cannot be identified; remove the `Option`, or choose another key",
                ),
                "f32" | "f64" => Some(
                    "is a floating-point number, which databases round and compare in different ways; use an integer, a \
                     decimal or text, or choose another key",
                ),
                "HashMap" | "BTreeMap" | "IndexMap" if has_arguments(&last.arguments) => {
                    Some("is a map, which databases do not compare; choose another key")
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn has_arguments(arguments: &PathArguments) -> bool {
    matches!(arguments, PathArguments::AngleBracketed(_))
}
