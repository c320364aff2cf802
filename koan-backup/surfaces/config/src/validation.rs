//! Checks the values of a layer against the schema. All problems are collected.

use crate::compression_text::{self, CompressionText};
use crate::key_path;
use crate::node::{Content, Node};
use crate::origin::Origin;
use crate::problem::Problem;
use crate::schema::Shape;
use crate::secret::{REFERENCE_KEYS, SecretForm};
use crate::time_span::{self, TimeSpan};

/// Words in the names of options of stores whose values are secrets.
const SECRET_WORDS: [&str; 6] = ["secret", "key", "token", "password", "credential", "signature"];

/// Checks a complete layer.
pub(crate) fn layer(node: &Node, problems: &mut Vec<Problem>) {
    value(Shape::root(), node, &mut Vec::new(), problems);
}

/// Checks that the keys exist without which a table has no meaning, after all layers were merged.
pub(crate) fn required(shape: Shape, node: &Node, path: &mut Vec<String>, problems: &mut Vec<Problem>) {
    for key in shape.required() {
        if node.get(key).is_none() {
            let table = key_path::display(path);
            problems.push(
                Problem::new(node.origin.clone(), table.clone(), format!("`{table}` has no `{key}`"))
                    .with_remedy(format!("set `{table}.{key}`")),
            );
        }
    }
    for entry in node.entries() {
        if let Some(child) = shape.child(&entry.key).filter(|child| child.is_table()) {
            path.push(entry.key.clone());
            required(child, &entry.value, path, problems);
            path.pop();
        }
    }
}

fn value(shape: Shape, node: &Node, path: &mut Vec<String>, problems: &mut Vec<Problem>) {
    if let Some(form) = shape.secret_form() {
        return secret(form, node, path, problems);
    }
    let mut refuse = |text: String| {
        let key = key_path::display(path);
        problems.push(Problem::new(node.origin.clone(), key.clone(), format!("`{key}` {text}")));
    };
    if shape.is_table() {
        return match &node.content {
            Content::Table(_) => table(shape, node, path, problems),
            _ => refuse(format!("must be a table, not {}", node.kind())),
        };
    }
    let choices = shape.choices();
    match (&node.content, shape.type_name()) {
        (Content::Text(text), _) if !choices.is_empty() => {
            if !choices.contains(&text.as_str()) {
                let suggestion = key_path::suggestion(text, choices.iter().copied());
                refuse(format!("cannot be `{}`; {suggestion}", text.escape_debug()));
            }
        }
        (Content::Text(text), Some("string")) => match shape.format() {
            Some("time-span") => {
                if let Err(expected) = TimeSpan::parse(text) {
                    refuse(format!("must be {expected}"));
                }
            }
            Some("compression") if CompressionText::parse(text).is_none() => {
                refuse(format!("must be {}", compression_text::FORMAT));
            }
            _ => {}
        },
        (Content::Integer(number), Some("integer")) => {
            if let Some(minimum) = shape.minimum().filter(|minimum| number < minimum) {
                refuse(format!("must be at least {minimum}"));
            } else if let Some(maximum) = shape.maximum().filter(|maximum| number > maximum) {
                refuse(format!("must be at most {maximum}"));
            }
        }
        (Content::Boolean(_), Some("boolean")) => {}
        (Content::List(items), Some("array")) => {
            if let Some(item_shape) = shape.items() {
                items.iter().for_each(|item| value(item_shape, item, path, problems));
            }
        }
        (_, expected) => {
            let expected = match expected {
                _ if !choices.is_empty() => "a text",
                Some("string") if shape.format() == Some("time-span") => time_span::FORMAT,
                Some("string") => "a text",
                Some("integer") => "a whole number",
                Some("boolean") => "true or false",
                Some("array") => "a list",
                _ => "another value",
            };
            refuse(format!("must be {expected}, not {}", node.kind()));
        }
    }
}

fn table(shape: Shape, node: &Node, path: &mut Vec<String>, problems: &mut Vec<Problem>) {
    for entry in node.entries() {
        match shape.child(&entry.key) {
            Some(child) => {
                path.push(entry.key.clone());
                value(child, &entry.value, path, problems);
                path.pop();
            }
            None => problems.push(unknown_key(shape, &entry.key, &entry.key_origin, path)),
        }
    }
}

/// Returns the problem of a key that does not exist in a table.
pub(crate) fn unknown_key(shape: Shape, key: &str, origin: &Origin, path: &[String]) -> Problem {
    let place = if path.is_empty() { String::new() } else { format!(" in `{}`", key_path::display(path)) };
    let full: Vec<_> = path.iter().cloned().chain([key.to_owned()]).collect();
    let suggestion = key_path::suggestion(key, shape.properties().map(|(name, _)| name));
    let message = format!("unknown key `{}`{place}", key.escape_debug());
    Problem::new(origin.clone(), key_path::display(&full), message).with_remedy(suggestion)
}

fn secret(form: SecretForm, node: &Node, path: &[String], problems: &mut Vec<Problem>) {
    let key = key_path::display(path);
    let mut refuse = |text: &str, remedy: &str| {
        let problem = Problem::new(node.origin.clone(), key.clone(), format!("`{key}` {text}"));
        problems.push(problem.with_remedy(remedy.to_owned()));
    };
    const REFERENCES: &str = "write `{ env = \"…\" }`, `{ file = \"…\" }` or `{ command = [\"…\"] }`";
    match &node.content {
        Content::Text(_) => {
            let is_displayed = matches!(node.origin, Origin::File { .. } | Origin::Flag { .. });
            let is_secret = match form {
                SecretForm::Secret => true,
                SecretForm::StoreOption => path.last().is_some_and(|name| is_secret_option(name)),
                SecretForm::Address | SecretForm::PrivateAddress => false,
                SecretForm::Reference => return refuse("must be a reference to a secret", REFERENCES),
            };
            if is_secret && is_displayed {
                refuse("is a secret, which files and flags must not contain", REFERENCES);
            }
        }
        Content::Table(entries) => {
            let is_reference = match entries.as_slice() {
                [entry] if entry.key == "command" => matches!(
                    &entry.value.content,
                    Content::List(items) if !items.is_empty() && items.iter().all(|item| item.as_text().is_some())
                ),
                [entry] => REFERENCE_KEYS.contains(&entry.key.as_str()) && entry.value.as_text().is_some(),
                _ => false,
            };
            if !is_reference {
                refuse("is not a reference to a secret", REFERENCES);
            }
        }
        _ => refuse(&format!("must be a text, not {}", node.kind()), REFERENCES),
    }
}

/// Returns whether the value of an option of a store is a secret.
pub(crate) fn is_secret_option(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word)) && !name.ends_with("key_id")
}
