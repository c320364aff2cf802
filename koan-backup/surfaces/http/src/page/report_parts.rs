//! The parts of which the reports of operations consist.

use maud::{Markup, html};
use serde_json::Value;

use super::state::Level;
use super::wording::sentence;

pub(super) fn list(title: &str, level: Level, texts: &[&str]) -> Markup {
    html! {
        @if !texts.is_empty() {
            h2 { (title) }
            ul.problems { @for text in texts { li { (level.mark()) div { (sentence(text)) } } } }
        }
    }
}

pub(super) fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn texts<'a>(value: &'a Value, name: &str) -> Vec<&'a str> {
    items(value, name).iter().filter_map(Value::as_str).collect()
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}
