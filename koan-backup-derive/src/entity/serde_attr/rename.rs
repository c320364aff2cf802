//! The options `rename = "…"` and `rename(serialize = "…", deserialize = "…")`.

use proc_macro2::Ident;

use crate::ctxt::Ctxt;
use crate::options::{self, Opt};

/// The names of an item: the name that serde writes, and the names that it reads.
#[derive(Debug)]
pub(crate) struct Rename {
    /// The identifier of the option, to which errors point.
    option: Ident,
    written: Option<String>,
    read: Vec<String>,
}

impl Rename {
    /// Reads the option.
    pub(crate) fn read(option: &Opt) -> Self {
        let mut rename = Self { option: option.name.clone(), written: None, read: Vec::new() };
        if let Some(both) = option.as_string() {
            rename.written = Some(both.value());
            rename.read.push(both.value());
        }
        if let Some(tokens) = option.list() {
            for direction in options::of_tokens(tokens.clone(), &mut Ctxt::default()) {
                let Some(name) = direction.as_string() else { continue };
                if direction.name == "serialize" {
                    rename.written = Some(name.value());
                } else if direction.name == "deserialize" {
                    rename.read.push(name.value());
                }
            }
        }
        rename
    }

    /// Returns the name that serde writes.
    pub(crate) fn written(&self) -> Option<&str> {
        self.written.as_deref()
    }

    /// Adds an error if the rules of `rename_all` differ between writing and reading.
    pub(crate) fn check_rule(&self, cx: &mut Ctxt) {
        if self.read.first() != self.written.as_ref() {
            let rule = |rule: Option<&str>| {
                rule.map_or_else(|| "unchanged".to_owned(), |rule| format!("in `{rule}`"))
            };
            let (written, read) = (rule(self.written()), rule(self.read.first().map(String::as_str)));
            cx.error(
                &self.option,
                format!(
                    "serde writes names {written} and reads them {read}, so an archive could not be read back; \
                     use one rule for both: `{} = \"…\"`",
                    self.option
                ),
            );
        }
    }

    /// Adds an error if the names for writing and reading differ. `name` is the name that
    /// serde would use if there were no `rename`.
    pub(crate) fn check(&self, name: &str, cx: &mut Ctxt) {
        let written = self.written.as_deref().unwrap_or(name);
        let read =
            if self.read.is_empty() { vec![name] } else { self.read.iter().map(String::as_str).collect() };
        if !read.contains(&written) {
            cx.error(
                &self.option,
                format!(
                    "serde writes `{written}` and reads `{}`, so an archive could not be read back; use one \
                     name for both: `{} = \"…\"`",
                    read[0], self.option
                ),
            );
        }
    }
}
