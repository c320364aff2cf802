//! The options `rename = "…"` and `rename(serialize = "…", deserialize = "…")`.

use proc_macro2::Ident;

use crate::ctxt::Ctxt;
use crate::options::{self, Opt};

/// The names of an item: one for writing, and those for reading.
#[derive(Debug)]
pub(crate) struct Rename {
    at: Ident,
    written: Option<String>,
    read: Vec<String>,
}

impl Rename {
    /// Reads the option.
    pub(crate) fn read(option: &Opt) -> Self {
        let mut rename = Self { at: option.name.clone(), written: None, read: Vec::new() };
        if let Some(both) = option.as_string() {
            rename.written = Some(both.value());
            rename.read.push(both.value());
        }
        if let Some(tokens) = option.list() {
            for side in options::of_tokens(tokens.clone(), &mut Ctxt::default()) {
                let Some(name) = side.as_string() else { continue };
                if side.name == "serialize" {
                    rename.written = Some(name.value());
                } else if side.name == "deserialize" {
                    rename.read.push(name.value());
                }
            }
        }
        rename
    }

    /// Returns the name for writing.
    pub(crate) fn written(&self) -> Option<&str> {
        self.written.as_deref()
    }

    /// Refuses different rules of `rename_all` for writing and reading.
    pub(crate) fn check_rule(&self, cx: &mut Ctxt) {
        if self.read.first() != self.written.as_ref() {
            let rule = |rule: Option<&str>| {
                rule.map_or_else(|| "as they are".to_owned(), |rule| format!("in `{rule}`"))
            };
            let (written, read) = (rule(self.written()), rule(self.read.first().map(String::as_str)));
            cx.error(
                &self.at,
                format!(
                    "serde writes names {written} and reads them {read}, so an archive could not be read back; use one \
                     rule for both: `{} = \"…\"`",
                    self.at
                ),
            );
        }
    }

    /// Refuses different names for writing and reading. `own` is the name without `rename`.
    pub(crate) fn check(&self, own: &str, cx: &mut Ctxt) {
        let written = self.written.as_deref().unwrap_or(own);
        let read =
            if self.read.is_empty() { vec![own] } else { self.read.iter().map(String::as_str).collect() };
        if !read.contains(&written) {
            cx.error(
                &self.at,
                format!(
                    "serde writes `{written}` and reads `{}`, so an archive could not be read back; use one name for \
                     both: `{} = \"…\"`",
                    read[0], self.at
                ),
            );
        }
    }
}
