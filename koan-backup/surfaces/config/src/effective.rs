//! The effective values of a configuration, for display.

use serde::Serialize;

use crate::key_path;
use crate::layers::Layers;
use crate::node::{Content, Node};
use crate::origin::Origin;
use crate::schema::Shape;
use crate::secret::{HIDDEN, SecretForm, address_without_path};
use crate::validation::is_secret_option;

/// An effective value, with its origin and the values that it replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EffectiveValue {
    /// The path of the key, for example `backup.batch_size`.
    pub key: String,
    /// The value as it would be written in TOML; `***` in place of a secret.
    pub value: String,
    /// Where the value comes from.
    pub origin: Origin,
    /// The values of lower layers that this value replaced, lowest layer first.
    pub replaced: Vec<ReplacedValue>,
}

/// A value that a higher layer replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ReplacedValue {
    /// The value as it would be written in TOML; `***` in place of a secret.
    pub value: String,
    /// Where the value comes from.
    pub origin: Origin,
}

/// Returns the effective values of all keys that are set or have a default, sorted by their paths.
pub(crate) fn values(layers: &Layers) -> Vec<EffectiveValue> {
    let mut values = Vec::new();
    collect(Shape::root(), Some(&layers.merged), &mut Vec::new(), layers, &mut values);
    values.sort_by(|one, other| one.key.cmp(&other.key));
    values
}

fn collect(
    shape: Shape,
    node: Option<&Node>,
    path: &mut Vec<String>,
    layers: &Layers,
    values: &mut Vec<EffectiveValue>,
) {
    if shape.is_table() {
        for (key, child) in shape.properties() {
            path.push(key.to_owned());
            collect(child, node.and_then(|node| node.get(key)), path, layers, values);
            path.pop();
        }
        if let Some(child) = shape.named_values() {
            for entry in node.into_iter().flat_map(Node::entries) {
                path.push(entry.key.clone());
                collect(child, Some(&entry.value), path, layers, values);
                path.pop();
            }
        }
        return;
    }
    let key = key_path::display(path);
    match (node, shape.default()) {
        (Some(node), _) => {
            let replaced = layers
                .replaced(path, &node.origin)
                .into_iter()
                .map(|node| ReplacedValue { value: display(shape, node, path), origin: node.origin.clone() });
            let (value, replaced) = (display(shape, node, path), replaced.collect());
            values.push(EffectiveValue { key, value, origin: node.origin.clone(), replaced });
        }
        (None, Some(default)) => {
            let (value, origin) = (default.to_string(), Origin::Default);
            values.push(EffectiveValue { key, value, origin, replaced: Vec::new() });
        }
        (None, None) => {}
    }
}

/// Formats a value without secrets.
fn display(shape: Shape, node: &Node, path: &[String]) -> String {
    match (shape.secret_form(), node.as_text()) {
        (Some(SecretForm::Secret), Some(_)) => HIDDEN.to_owned(),
        (Some(SecretForm::StoreOption), Some(_))
            if path.last().is_some_and(|name| is_secret_option(name)) =>
        {
            HIDDEN.to_owned()
        }
        (Some(SecretForm::PrivateAddress), Some(text)) => format!("{:?}", address_without_path(text)),
        (Some(_), Some(text)) => format!("{:?}", without_credentials(text)),
        // A reference is displayed as a secret: only its origin says where it is declared.
        (Some(_), None) => HIDDEN.to_owned(),
        (None, _) if shape.items().is_some_and(|items| items.secret_form().is_some()) => {
            match &node.content {
                Content::List(items) => format!("[{}]", vec![HIDDEN; items.len()].join(", ")),
                _ => HIDDEN.to_owned(),
            }
        }
        (None, _) => toml(node),
    }
}

fn toml(node: &Node) -> String {
    match &node.content {
        Content::List(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Content::Table(entries) => {
            let entries = entries.iter().map(|entry| format!("{} = {}", entry.key, toml(&entry.value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        // Any text may be an address, for example `endpoint` or a reason.
        Content::Text(text) if text.contains("://") => format!("{:?}", without_credentials(text)),
        Content::Text(text) => format!("{text:?}"),
        Content::Integer(number) => number.to_string(),
        Content::Float(number) => number.to_string(),
        Content::Boolean(value) => value.to_string(),
    }
}

/// Replaces the credentials in an address, and the value of a parameter with a secret name, by `***`. The name of the
/// user of a database is displayed; that of a web address is not, because it may be a token.
pub(crate) fn without_credentials(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        // `host=… password=…` and `postgres:user:password@host` are displayed only if they contain no password.
        let text = address.to_ascii_lowercase();
        let is_secret = text.contains('@') || SECRET_PARAMETERS.iter().any(|name| text.contains(name));
        return if is_secret { HIDDEN.to_owned() } else { address.to_owned() };
    };
    let (location, parameters) = rest.split_once('?').map_or((rest, None), |(one, other)| (one, Some(other)));
    let is_web = ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
    // A password can contain `@`, so everything before the last `@` are credentials.
    let location = match location.rsplit_once('@') {
        Some((_, host)) if is_web => format!("{HIDDEN}@{host}"),
        Some((credentials, host)) => match credentials.split_once(':') {
            Some((user, _)) => format!("{user}:{HIDDEN}@{host}"),
            None => format!("{credentials}@{host}"),
        },
        None => location.to_owned(),
    };
    let is_secret = |name: &str| {
        SECRET_PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) || is_secret_option(name)
    };
    let hide = |parameter: &str| match parameter.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={HIDDEN}"),
        _ => parameter.to_owned(),
    };
    match parameters {
        Some(parameters) if parameters.contains('@') => format!("{scheme}://{HIDDEN}"),
        Some(parameters) => {
            let parameters: Vec<_> = parameters.split('&').map(hide).collect();
            format!("{scheme}://{location}?{}", parameters.join("&"))
        }
        None => format!("{scheme}://{location}"),
    }
}

/// Parameters of an address whose values are secrets.
const SECRET_PARAMETERS: [&str; 3] = ["password", "passfile", "sslpassword"];
