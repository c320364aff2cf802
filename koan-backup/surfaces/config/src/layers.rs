//! The layers of a configuration: reads them, checks each of them, and merges them.

use crate::document;
use crate::key_path;
use crate::node::{Content, Entry, Node};
use crate::origin::Origin;
use crate::original;
use crate::problem::Problem;
use crate::schema::Shape;
use crate::secret::SecretForm;
use crate::sources::ConfigurationSources;
use crate::validation;

/// The prefix of environment variables that set values.
const VARIABLE_PREFIX: &str = "KOAN__";

/// Returns whether a variable has the prefix of values, in upper or lower case.
fn has_prefix(name: &str) -> bool {
    name.get(..VARIABLE_PREFIX.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(VARIABLE_PREFIX))
}

/// The layers, lowest first, their merged values, and their problems.
#[derive(Clone)]
pub(crate) struct Layers {
    pub(crate) layers: Vec<Node>,
    pub(crate) merged: Node,
    pub(crate) problems: Vec<Problem>,
}

impl Layers {
    pub(crate) fn read(sources: &ConfigurationSources) -> Self {
        let (merged, problems) = (Node::empty_table(Origin::Default), Vec::new());
        let mut all = Self { layers: Vec::new(), merged, problems };
        all.add_texts(sources.defaults.iter().map(|(key, text)| (key.as_str(), text.as_str(), Origin::Code)));
        let mut fixed_paths = Vec::new();
        for (key, _) in &sources.fixed {
            fixed_paths.push(key_path::parse(key));
        }
        let changeable = all.layers.len();
        for (path, presence) in &sources.files {
            if presence.is_required() || path.exists() {
                match document::read(path) {
                    Ok(node) => all.add(node),
                    Err(problem) => all.problems.push(problem),
                }
            }
        }
        for name in sources.undecodable_variables.iter().filter(|name| has_prefix(name)) {
            let message = "the name or the value of the variable is not Unicode text";
            let problem = Problem::new(Origin::Variable { name: name.clone() }, "", message);
            all.problems.push(problem.with_remedy("set it again with Unicode text"));
        }
        for (name, value) in sources.variables.iter().filter(|(name, _)| has_prefix(name)) {
            match name.strip_prefix(VARIABLE_PREFIX) {
                Some(segments) if !name.contains(|letter: char| letter.is_ascii_lowercase()) => {
                    all.add_variable(name, segments, value);
                }
                _ => {
                    let message = "the name of the variable is not in upper case";
                    let problem = Problem::new(Origin::Variable { name: name.clone() }, "", message);
                    let remedy = format!("rename it to `{}`", name.to_ascii_uppercase());
                    all.problems.push(problem.with_remedy(remedy));
                }
            }
        }
        let flags = sources.flags.iter();
        all.add_texts(
            flags.map(|(key, text, name)| (key.as_str(), text.as_str(), Origin::Flag { name: name.clone() })),
        );
        for path in fixed_paths {
            for layer in &all.layers[changeable..] {
                if let Some(node) = layer.at(&path) {
                    let key = key_path::display(&path);
                    let message = format!("`{key}` is fixed by the application and cannot be changed");
                    all.problems
                        .push(Problem::new(node.origin.clone(), key, message).with_remedy("remove it"));
                }
            }
        }
        all.add_texts(sources.fixed.iter().map(|(key, text)| (key.as_str(), text.as_str(), Origin::Fixed)));
        if all.problems.is_empty() {
            validation::required(Shape::root(), &all.merged, &mut Vec::new(), &mut all.problems);
        }
        all
    }

    /// Returns the values of a key that a higher layer replaced, lowest layer first.
    pub(crate) fn replaced(&self, path: &[String], effective: &Origin) -> Vec<&Node> {
        let values = self.layers.iter().filter_map(|layer| layer.at(path));
        values.filter(|node| node.origin != *effective).collect()
    }

    /// Checks a layer, and merges it.
    fn add(&mut self, mut layer: Node) {
        expand_short_forms(&mut layer);
        let known = self.problems.len();
        validation::layer(&layer, &mut self.problems);
        if self.problems.len() > known {
            return;
        }
        original::translate(&mut layer, &mut self.problems);
        self.merged = merge(Shape::root(), &self.merged, &layer);
        self.layers.push(layer);
    }

    /// Adds a layer of texts with the paths of their keys.
    fn add_texts<'a>(&mut self, texts: impl Iterator<Item = (&'a str, &'a str, Origin)>) {
        for (key, text, origin) in texts {
            let path = key_path::parse(key);
            self.add_text(&path, text, origin);
        }
    }

    /// Adds a layer with one value, given as text.
    fn add_text(&mut self, path: &[String], text: &str, origin: Origin) {
        let mut shape = Shape::root();
        for (index, key) in path.iter().enumerate() {
            match shape.child(key).filter(|_| shape.is_table()) {
                Some(child) => shape = child,
                None => {
                    self.problems.push(validation::unknown_key(shape, key, &origin, &path[..index]));
                    return;
                }
            }
        }
        let mut layer = Node::empty_table(origin.clone());
        layer.set(path, Node::new(content_of_text(shape, text, &origin), origin));
        self.add(layer);
    }

    /// Adds the layer of an environment variable, for example `KOAN__BACKUP__BATCH_SIZE`.
    fn add_variable(&mut self, name: &str, segments: &str, text: &str) {
        let origin = Origin::Variable { name: name.to_owned() };
        let (mut path, mut shape) = (Vec::new(), Shape::root());
        for segment in segments.split("__") {
            // Variables are written in upper case, and names of providers and profiles usually are not.
            let is_same = |known: &str| known.eq_ignore_ascii_case(segment);
            let known = shape.properties().map(|(key, _)| key).find(|key| is_same(key)).map(str::to_owned);
            let named = || {
                let existing = self.merged.at(&path).into_iter().flat_map(Node::entries);
                let existing = existing.map(|entry| &entry.key).find(|key| is_same(key)).cloned();
                shape.named_values().map(|_| existing.unwrap_or_else(|| segment.to_lowercase()))
            };
            let Some(key) = known.or_else(named).filter(|_| shape.is_table() && !segment.is_empty()) else {
                let problem = validation::unknown_key(shape, &segment.to_lowercase(), &origin, &path);
                self.problems.push(problem);
                return;
            };
            let Some(child) = shape.child(&key) else { return };
            shape = child;
            path.push(key);
        }
        self.add_text(&path, text, origin);
    }
}

/// Converts a text of a variable or flag to the type that the schema expects. A text that has another type is not
/// converted, and the check of the layer reports it.
fn content_of_text(shape: Shape, text: &str, origin: &Origin) -> Content {
    let written = || document::value(text, origin);
    let is_reference = matches!(
        shape.secret_form(),
        Some(SecretForm::Secret | SecretForm::Address | SecretForm::PrivateAddress | SecretForm::StoreOption)
    ) && text.trim_start().starts_with('{');
    let converted = match shape.type_name() {
        _ if is_reference || shape.secret_form() == Some(SecretForm::Reference) => written(),
        _ if shape.secret_form().is_some() => None,
        Some("integer") => text.parse().ok().map(Content::Integer),
        Some("boolean") => text.parse().ok().map(Content::Boolean),
        Some("array") if text.trim_start().starts_with('[') => written(),
        Some("array") => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(Content::List(items.map(|item| Node::text(item, origin.clone())).collect()))
        }
        Some("object") if text.trim_start().starts_with('{') => written(),
        _ => None,
    };
    converted.unwrap_or_else(|| Content::Text(text.to_owned()))
}

/// Replaces the short form of providers and storage profiles, their URL, by a table.
fn expand_short_forms(layer: &mut Node) {
    let Content::Table(sections) = &mut layer.content else { return };
    for section in
        sections.iter_mut().filter(|section| ["providers", "storage"].contains(&section.key.as_str()))
    {
        let Content::Table(named) = &mut section.value.content else { continue };
        for Entry { key_origin, value, .. } in named {
            if value.as_text().is_some() {
                let url = value.clone();
                *value = Node::empty_table(key_origin.clone());
                value.set(&["url".to_owned()], url);
            }
        }
    }
}

/// Merges a layer into the lower layers. Tables are merged by their keys; other values are replaced.
fn merge(shape: Shape, lower: &Node, upper: &Node) -> Node {
    let (Content::Table(lower_entries), Content::Table(upper_entries)) = (&lower.content, &upper.content)
    else {
        return upper.clone();
    };
    if !shape.is_table() {
        return upper.clone();
    }
    let mut entries = lower_entries.clone();
    for entry in upper_entries {
        match entries.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => {
                let merged = match shape.child(&entry.key) {
                    Some(child) => merge(child, &known.value, &entry.value),
                    None => entry.value.clone(),
                };
                known.value = merged;
                known.key_origin = entry.key_origin.clone();
            }
            None => entries.push(entry.clone()),
        }
    }
    Node::new(Content::Table(entries), upper.origin.clone())
}
