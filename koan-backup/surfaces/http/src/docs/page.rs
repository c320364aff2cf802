//! The page: its navigation, the operations by subject, and the types.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::html::{Prose, Text};
use super::operation;
use super::schema;
use super::subject::{Documented, by_subject};

/// Renders the page.
pub(super) fn render(document: &Value, style: &str) -> String {
    let by_subject = by_subject(document);
    let mut page = String::new();
    // Writing into a string never fails.
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>HTTP API of koan-backup</title><link rel=\"stylesheet\" href=\"{}\"></head><body>\
         <header><h1>HTTP API</h1><p>{}</p><p>Version {}. Paths are relative to <code>{}</code>.</p></header>",
        Text(style),
        Prose(document["info"]["description"].as_str().unwrap_or_default()),
        Text(document["info"]["version"].as_str().unwrap_or_default()),
        Text(document["servers"][0]["url"].as_str().unwrap_or("/")),
    );
    page += &navigation(&by_subject);
    page += "<main>";
    for (subject, operations) in &by_subject {
        let _ = write!(page, "<section><h2 id=\"subject-{0}\">{0}</h2>", Text(subject));
        operations.iter().for_each(|operation| page += &operation::render(operation));
        page += "</section>";
    }
    page += &schema::render_all(&document["components"]["schemas"]);
    page += "</main></body></html>\n";
    page
}

fn navigation(subjects: &BTreeMap<&str, Vec<Documented<'_>>>) -> String {
    let mut text = "<nav aria-label=\"Operations\"><ul>".to_owned();
    for (subject, operations) in subjects {
        let _ = write!(text, "<li><a href=\"#subject-{0}\">{0}</a><ul>", Text(subject));
        for operation in operations {
            let _ = write!(
                text,
                "<li><a href=\"#{}\"><code>{} {}</code></a></li>",
                Text(operation.id()),
                operation.method.to_uppercase(),
                Text(operation.path)
            );
        }
        text += "</ul></li>";
    }
    text + "<li><a href=\"#types\">types</a></li></ul></nav>"
}
