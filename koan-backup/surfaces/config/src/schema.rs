//! The JSON Schema of the settings, and the view of it that reads and checks values.

use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Map, Value};

use crate::secret::SecretForm;
use crate::settings::Settings;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(without_null));
    settings.into_generator().into_root_schema_for::<Settings>().to_value()
});

/// Returns the JSON Schema of the configuration, as the text of the file `koan.schema.json`, for editors.
///
/// ```
/// let schema = koan_backup::config::schema();
/// assert!(schema.contains("\"batch_size\""));
/// ```
pub fn schema() -> String {
    let text = serde_json::to_string_pretty(&*SCHEMA).expect("a schema is JSON");
    format!("{text}\n")
}

/// Removes `null` from a schema: a setting that is not set is absent.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(branches)) = object.get_mut("anyOf") {
        branches.retain(|branch| branch.get("type").and_then(Value::as_str) != Some("null"));
        if let [Value::Object(one)] = branches.as_slice() {
            let one = one.clone();
            object.remove("anyOf");
            for (key, value) in one {
                object.entry(key).or_insert(value);
            }
        }
    }
}

/// A part of the schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    schema: &'static Value,
    /// The default, which is written at the reference to a definition.
    default: Option<&'static Value>,
}

impl Shape {
    /// Returns the schema of a complete configuration.
    pub(crate) fn root() -> Self {
        Self::of(&SCHEMA)
    }

    fn of(schema: &'static Value) -> Self {
        Self { schema, default: schema.get("default") }
    }

    /// Returns the definition, if this schema is a reference to it, or the table, if this schema also allows its short
    /// form.
    fn resolved(self) -> Self {
        if self.secret_form().is_some() {
            return self;
        }
        if let Some(name) = self.schema.get("$ref").and_then(Value::as_str) {
            let definition = name.strip_prefix("#/$defs/").and_then(|name| SCHEMA.get("$defs")?.get(name));
            return definition.map_or(self, |schema| Self { schema, ..self });
        }
        let branches = self.schema.get("anyOf").and_then(Value::as_array);
        let tables = branches.into_iter().flatten().map(|branch| Self::of(branch).resolved());
        tables.into_iter().find(|branch| branch.type_name() == Some("object")).unwrap_or(self)
    }

    pub(crate) fn type_name(self) -> Option<&'static str> {
        self.schema.get("type").and_then(Value::as_str)
    }

    pub(crate) fn secret_form(self) -> Option<SecretForm> {
        SecretForm::of_schema(self.schema)
    }

    /// Returns whether the value is a table whose entries are values of their own.
    pub(crate) fn is_table(self) -> bool {
        let shape = self.resolved();
        shape.secret_form().is_none() && shape.type_name() == Some("object")
    }

    /// Returns the known keys of a table with their schemas.
    pub(crate) fn properties(self) -> impl Iterator<Item = (&'static str, Self)> + Clone {
        let properties: Option<&'static Map<String, Value>> =
            self.resolved().schema.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().map(|(key, value)| (key.as_str(), Self::of(value).resolved()))
    }

    /// Returns the schema of the values of a table whose keys are names.
    pub(crate) fn named_values(self) -> Option<Self> {
        let values = self.resolved().schema.get("additionalProperties")?;
        values.is_object().then(|| Self::of(values).resolved())
    }

    /// Returns the schema of the value of a key.
    pub(crate) fn child(self, key: &str) -> Option<Self> {
        let known = self.properties().find(|(name, _)| *name == key).map(|(_, shape)| shape);
        known.or_else(|| self.named_values())
    }

    /// Returns the schema of the items of a list.
    pub(crate) fn items(self) -> Option<Self> {
        self.schema.get("items").map(|items| Self::of(items).resolved())
    }

    /// Returns the keys that a table must have.
    pub(crate) fn required(self) -> impl Iterator<Item = &'static str> {
        let required = self.resolved().schema.get("required").and_then(Value::as_array);
        required.into_iter().flatten().filter_map(Value::as_str)
    }

    /// Returns the allowed texts, if the value is one of a few texts.
    pub(crate) fn choices(self) -> Vec<&'static str> {
        let listed =
            self.schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let described = self.schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        listed.chain(described.filter_map(|choice| choice.get("const")?.as_str())).collect()
    }

    pub(crate) fn format(self) -> Option<&'static str> {
        self.schema.get("format").and_then(Value::as_str)
    }

    pub(crate) fn minimum(self) -> Option<i64> {
        self.schema.get("minimum").and_then(Value::as_i64)
    }

    pub(crate) fn maximum(self) -> Option<i64> {
        self.schema.get("maximum").and_then(Value::as_i64)
    }

    pub(crate) fn default(self) -> Option<&'static Value> {
        self.default
    }
}
