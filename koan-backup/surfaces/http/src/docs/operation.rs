//! One operation: its role, its parameters, its body and its responses.

use std::fmt::Write as _;

use serde_json::Value;

use super::html::{Prose, Text};
use super::schema;
use super::subject::Documented;
use super::table::table;
use crate::openapi::ROLE;

/// Renders an operation.
pub(super) fn render(documented: &Documented<'_>) -> String {
    let Documented { method, path, operation } = documented;
    let mut text = String::new();
    let id = documented.id();
    let _ = write!(
        text,
        "<article><h3 id=\"{0}\"><a href=\"#{0}\"><code>{1} {2}</code></a></h3>",
        Text(id),
        method.to_uppercase(),
        Text(path)
    );
    for member in ["summary", "description"] {
        if let Some(prose) = operation[member].as_str().filter(|prose| !prose.is_empty()) {
            let _ = write!(text, "<p>{}</p>", Prose(prose));
        }
    }
    let _ = match operation[ROLE].as_str() {
        Some(role) => write!(text, "<p>Needs the role <strong>{}</strong>.</p>", Text(role)),
        None => write!(text, "<p>Needs no token.</p>"),
    };
    text += &parameters(&operation["parameters"]);
    text += &body(&operation["requestBody"]);
    text += &responses(&operation["responses"]);
    text + "</article>"
}

fn parameters(parameters: &Value) -> String {
    let Some(parameters) = parameters.as_array().filter(|parameters| !parameters.is_empty()) else {
        return String::new();
    };
    let mut text = table("Parameters", &["Name", "In", "Type", "Description"]);
    for parameter in parameters {
        let required = if parameter["required"] == true { ", required" } else { "" };
        let _ = write!(
            text,
            "<tr><td><code>{}</code></td><td>{}{required}</td><td>{}</td><td>{}</td></tr>",
            Text(parameter["name"].as_str().unwrap_or_default()),
            Text(parameter["in"].as_str().unwrap_or_default()),
            schema::type_of(&parameter["schema"]),
            Prose(parameter["description"].as_str().unwrap_or_default()),
        );
    }
    text + "</tbody></table>"
}

fn body(body: &Value) -> String {
    let mut text = String::new();
    for (media_type, content) in body["content"].as_object().into_iter().flatten() {
        let _ = write!(
            text,
            "<p>Body: {} as <code>{}</code></p>",
            schema::type_of(&content["schema"]),
            Text(media_type)
        );
    }
    text
}

fn responses(responses: &Value) -> String {
    let mut text = table("Responses", &["Status", "Content", "Description"]);
    for (status, response) in responses.as_object().into_iter().flatten() {
        let contents = response["content"].as_object().into_iter().flatten();
        let contents = contents.map(|(media_type, content)| {
            format!("{} as <code>{}</code>", schema::type_of(&content["schema"]), Text(media_type))
        });
        let _ = write!(
            text,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            Text(status),
            contents.collect::<Vec<_>>().join("<br>"),
            Prose(response["description"].as_str().unwrap_or_default()),
        );
    }
    text + "</tbody></table>"
}
