//! Compares types by their text.

use quote::ToTokens as _;
use syn::visit_mut::VisitMut;
use syn::{GenericArgument, PathArguments, Type};

/// Returns the type of a field without its `Option`, as [`normalized_text`], and whether there is an `Option`.
pub(super) fn of_field(ty: &Type) -> (String, bool) {
    match option_content(ty) {
        Some(content) => (normalized(content.clone()), true),
        None => (normalized(ty.clone()), false),
    }
}

/// Returns a type without white space, and with only the last segment of each path, so that `uuid::Uuid` and `Uuid` are
/// equal.
pub(super) fn normalized_text(text: &str) -> String {
    syn::parse_str(text).map_or_else(|_| text.to_owned(), normalized)
}

/// Returns a type in which the elements of a list are not optional: whether a list contains NULL is not visible in the
/// schema of a database, so both types are accepted.
pub(super) fn without_optional_elements(text: &str) -> String {
    match text.strip_prefix("Vec<Option<").and_then(|rest| rest.strip_suffix(">>")) {
        Some(element) => format!("Vec<{element}>"),
        None => text.to_owned(),
    }
}

/// Returns the type of the elements of a list, or the type itself if it is not a list.
pub(super) fn element(text: &str) -> &str {
    let list = text.strip_prefix("Vec<").and_then(|rest| rest.strip_suffix('>'));
    let element =
        list.map(|list| list.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(list));
    element.unwrap_or(text)
}

fn option_content(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(content) => Some(content),
        _ => None,
    }
}

fn normalized(mut ty: Type) -> String {
    LastSegments.visit_type_mut(&mut ty);
    ty.to_token_stream().to_string().replace(' ', "")
}

/// Removes all segments of paths except the last.
struct LastSegments;

impl VisitMut for LastSegments {
    fn visit_path_mut(&mut self, path: &mut syn::Path) {
        path.leading_colon = None;
        if let Some(last) = path.segments.pop() {
            path.segments.clear();
            path.segments.push(last);
        }
        syn::visit_mut::visit_path_mut(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_equal_whatever_their_paths() {
        assert_eq!(normalized_text("chrono::DateTime<chrono::Utc>"), normalized_text("DateTime < Utc >"));
        let ty: Type = syn::parse_str("std::option::Option<::uuid::Uuid>").expect("a type");
        assert_eq!(of_field(&ty), ("Uuid".to_owned(), true));
        assert_eq!(without_optional_elements("Vec<Option<i32>>"), "Vec<i32>");
        assert_eq!([element("Vec<Option<Mood>>"), element("Vec<Mood>"), element("Mood")], ["Mood"; 3]);
    }
}
