//! The names that a method of a builder accepts: one name, or several.

/// One name, or several: a `&str` or `String`, or an array, slice, `Vec`, set or iterator of them.
///
/// ```
/// # fn run(koan: koan_backup_core::Koan, audited: Vec<String>) {
/// let one = koan.backup("nightly").exclude("AuditLog");
/// let several = koan.backup("nightly").exclude(["AuditLog", "Session"]);
/// let computed = koan.backup("nightly").exclude(&audited);
/// # drop((one, several, computed));
/// # }
/// ```
///
/// `Count` is inferred. It is [`OneName`] or [`SeveralNames`], and only distinguishes the implementations.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a name nor a list of names",
    label = "expected a name or a list of names",
    note = "pass one name, such as `\"User\"`, or several, such as `[\"User\", \"Order\"]`"
)]
pub trait Names<Count> {
    /// Returns the names in their order.
    fn into_names(self) -> Vec<String>;
}

/// The implementation of [`Names`] for one name.
#[derive(Debug)]
#[non_exhaustive]
pub struct OneName;

/// The implementation of [`Names`] for several names.
#[derive(Debug)]
#[non_exhaustive]
pub struct SeveralNames;

impl<S: AsRef<str>> Names<OneName> for S {
    fn into_names(self) -> Vec<String> {
        vec![self.as_ref().to_owned()]
    }
}

impl<I> Names<SeveralNames> for I
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    fn into_names(self) -> Vec<String> {
        self.into_iter().map(|name| name.as_ref().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::{BTreeSet, HashSet};
    use std::sync::Arc;

    use super::Names;

    fn names<Count>(names: impl Names<Count>) -> Vec<String> {
        names.into_names()
    }

    #[test]
    #[expect(clippy::needless_borrows_for_generic_args, reason = "applications write such references")]
    fn one_name_is_accepted_in_every_usual_form() {
        let text = String::from("User");
        for accepted in [
            names("User"),
            names(&"User"),
            names(text.clone()),
            names(&text),
            names(text.as_str()),
            names(&*text),
            names(Cow::from("User")),
            names(Box::<str>::from("User")),
            names(Arc::<str>::from("User")),
            names(format!("{}r", "Use")),
        ] {
            assert_eq!(accepted, ["User"]);
        }
    }

    #[test]
    #[expect(clippy::needless_borrows_for_generic_args, reason = "applications write such references")]
    fn several_names_are_accepted_in_every_usual_form() {
        let (texts, borrowed) = (vec!["Order".to_owned(), "User".to_owned()], ["Order", "User"]);
        for accepted in [
            names(["Order", "User"]),
            names(["Order".to_owned(), "User".to_owned()]),
            names(&["Order", "User"]),
            names(borrowed.as_slice()),
            names(&borrowed[..]),
            names(vec!["Order", "User"]),
            names(texts.clone()),
            names(&texts),
            names(texts.as_slice()),
            names(texts.iter()),
            names(texts.iter().map(String::as_str)),
            names(borrowed.iter().copied()),
            names(texts.iter().cloned().collect::<BTreeSet<_>>()),
            names(&BTreeSet::from(["User", "Order"])),
            names("Order User".split(' ')),
        ] {
            assert_eq!(accepted, ["Order", "User"]);
        }
        assert_eq!(names(HashSet::from(["User"])), ["User"]);
        assert_eq!(names(Some("User")), ["User"]);
        assert!(names::<super::SeveralNames>(None::<&str>).is_empty());
        assert!(names(Vec::<String>::new()).is_empty());
    }
}
