//! The types of parameters, bodies and responses.

use std::fmt::Write as _;

use serde_json::Value;

use super::html::{Prose, Text};
use super::table::table;

/// The prefix of references to types.
const COMPONENTS: &str = "#/components/schemas/";

/// The limits of values that are shown, each with its name on the page.
const LIMITS: [(&str, &str); 6] = [
    ("minLength", "at least"),
    ("maxLength", "at most"),
    ("minimum", "from"),
    ("maximum", "to"),
    ("format", "format"),
    ("default", "default"),
];

/// Renders all types with names.
pub(super) fn render_all(schemas: &Value) -> String {
    let mut text = "<section><h2 id=\"types\">types</h2>".to_owned();
    for (name, schema) in schemas.as_object().into_iter().flatten() {
        let _ = write!(text, "<article><h3 id=\"type-{0}\"><code>{0}</code></h3>", Text(name));
        if let Some(prose) = schema["description"].as_str() {
            let _ = write!(text, "<p>{}</p>", Prose(prose));
        }
        text += &fields(schema);
        text += "</article>";
    }
    text + "</section>"
}

fn fields(schema: &Value) -> String {
    let Some(properties) = schema["properties"].as_object() else {
        return format!("<p>{}</p>", type_of(schema));
    };
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name));
    let mut text = table("Fields", &["Name", "Type", "Description"]);
    for (name, field) in properties {
        let mark = if required(name) { ", required" } else { "" };
        let _ = write!(
            text,
            "<tr><td><code>{}</code></td><td>{}{mark}</td><td>{}</td></tr>",
            Text(name),
            type_of(field),
            Prose(field["description"].as_str().unwrap_or_default()),
        );
    }
    text + "</tbody></table>"
}

/// Returns the type of a value as HTML, with a link to a type with a name.
pub(super) fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix(COMPONENTS)) {
        return format!("<a href=\"#type-{0}\">{0}</a>", Text(name));
    }
    for union in ["oneOf", "anyOf", "allOf"] {
        if let Some(parts) = schema[union].as_array() {
            let parts: Vec<_> = parts.iter().map(type_of).collect();
            return parts.join(if union == "allOf" { " and " } else { " or " });
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> =
            values.iter().map(|value| format!("<code>{}</code>", Text(&plain(value)))).collect();
        return values.join(" or ");
    }
    let names = match &schema["type"] {
        Value::Array(names) => names.iter().map(plain).collect(),
        Value::Null => vec!["any value".to_owned()],
        name => vec![plain(name)],
    };
    let mut text = Text(&names.join(" or ")).to_string();
    if names.iter().any(|name| name == "array") {
        let _ = write!(text, " of {}", type_of(&schema["items"]));
    }
    let limits = LIMITS.iter().filter(|(member, _)| !schema[*member].is_null());
    let limits: Vec<_> = limits
        .map(|(member, shown)| {
            let unit = if member.ends_with("Length") { " characters" } else { "" };
            format!("{shown} {}{unit}", Text(&plain(&schema[*member])))
        })
        .collect();
    if !limits.is_empty() {
        let _ = write!(text, " ({})", limits.join(", "));
    }
    text
}

/// Returns a value without quotation marks.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_is_shown_with_its_limits_and_a_link_to_its_name() {
        let number = json!({ "type": ["integer", "null"], "minimum": 1, "maximum": 20 });
        assert_eq!(type_of(&number), "integer or null (from 1, to 20)");
        let list = json!({ "type": "array", "items": { "$ref": "#/components/schemas/Problem" } });
        assert_eq!(type_of(&list), "array of <a href=\"#type-Problem\">Problem</a>");
        assert_eq!(type_of(&json!({ "enum": ["<b>"] })), "<code>&lt;b&gt;</code>");
    }
}
