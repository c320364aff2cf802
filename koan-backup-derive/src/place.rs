//! The places of options, and the errors for an option that is unknown or belongs elsewhere.

use proc_macro2::Ident;

use crate::ctxt::Ctxt;
use crate::suggestion::{self, Synonym};

const ON_TYPE: &[&str] = &["name", "table", "provider", "route", "alias", "key", "crate"];
const ON_FIELD: &[&str] = &["key", "column"];
const OF_POLICY: &[&str] = &["encrypt", "include_schema", "retention_days", "enabled", "reason"];
const OF_SCOPE: &[&str] = &["mode", "encrypt_by_default", "include_schema_by_default", "crate"];
const OF_REGISTRATION: &[&str] = &["name", "table", "provider", "route", "alias", "key", "crate", "backup"];
const OF_STREAM: &[&str] = &["object", "provider", "tag", "content", "crate"];
const OF_SERDE: &[&str] = &[
    "default",
    "deny_unknown_fields",
    "deserialize_with",
    "flatten",
    "from",
    "into",
    "rename_all",
    "serialize_with",
    "skip_serializing_if",
    "tag",
    "transparent",
    "try_from",
    "untagged",
    "with",
];

/// Where an option is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `#[entity(…)]` on a type.
    Type,
    /// `#[entity(…)]` on a field.
    Field,
    /// `#[entity_backup(…)]`.
    Policy,
    /// `backup(…)` in `register!`.
    RegisteredPolicy,
    /// `entity_backup_scope!`.
    Scope,
    /// `register!`.
    Registration,
    /// `#[event_stream(…)]`.
    Stream,
    /// `#[entity_backup(…)]` on an event type.
    StreamPolicy,
}

/// What an option is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// The option with this name.
    Option(&'static str),
    /// Probably the option with this name, which has another name here. The error was reported; the option counts as
    /// written, without a value, so that nothing else is reported because it is missing.
    Meant(&'static str),
    /// No option of this place. The error was reported.
    Unknown,
}

impl Place {
    pub(crate) fn known(self) -> &'static [&'static str] {
        match self {
            Self::Type => ON_TYPE,
            Self::Field => ON_FIELD,
            Self::Policy | Self::RegisteredPolicy | Self::StreamPolicy => OF_POLICY,
            Self::Stream => OF_STREAM,
            Self::Scope => OF_SCOPE,
            Self::Registration => OF_REGISTRATION,
        }
    }

    fn shown(self) -> &'static str {
        match self {
            Self::Type => "`#[entity]` on a type",
            Self::Field => "`#[entity]` on a field",
            Self::Policy | Self::StreamPolicy => "`#[entity_backup]`",
            Self::RegisteredPolicy => "`backup(…)`",
            Self::Scope => "`entity_backup_scope!`",
            Self::Registration => "`register!`",
            Self::Stream => "`#[event_stream]`",
        }
    }

    /// Returns what an option is, and reports an error if it is none of this place.
    pub(crate) fn resolve(self, option: &Ident, cx: &mut Ctxt) -> Known {
        let name = option.to_string();
        if let Some(known) = self.known().iter().find(|known| **known == name) {
            return Known::Option(known);
        }
        let synonym = suggestion::synonym(&name);
        if synonym == Some(Synonym::Excluded) {
            return self.excluded(option, cx);
        }
        let usual = match (self, synonym) {
            (Self::Stream, _) => suggestion::of_stream(&name).unwrap_or(&name),
            (_, Some(Synonym::Of(usual))) => usual,
            _ => name.as_str(),
        };
        if let Some(known) = self.known().iter().find(|known| **known == usual) {
            cx.error(option, format!("{} has no option `{name}`; it is called `{known}`", self.shown()));
            return Known::Meant(known);
        }
        if let Some((text, meant)) = self.misplaced(usual) {
            cx.error(option, format!("`{name}` {text}"));
            return meant.map_or(Known::Unknown, Known::Meant);
        }
        let known = self.known().iter().copied();
        let remedy = suggestion::or_known(&name, known.clone(), "known:");
        cx.error(option, format!("unknown option `{name}` of {}; {remedy}", self.shown()));
        suggestion::near(&name, known).map_or(Known::Unknown, Known::Meant)
    }

    /// Reports an option such as `skip`, which excludes something in other libraries.
    fn excluded(self, option: &Ident, cx: &mut Ctxt) -> Known {
        let (remedy, meant) = match self {
            Self::Type => (
                "to exclude the entity, write `#[entity_backup(enabled = false, reason = \"…\")]`",
                Known::Unknown,
            ),
            Self::Field => ("to leave the field out of records, write `#[serde(skip)]`", Known::Unknown),
            Self::Stream => (
                "to exclude the streams, write `#[entity_backup(enabled = false, reason = \"…\")]`",
                Known::Unknown,
            ),
            Self::StreamPolicy => {
                ("to exclude the streams, write `enabled = false, reason = \"…\"`", Known::Meant("enabled"))
            }
            Self::Policy | Self::RegisteredPolicy => {
                ("to exclude the entity, write `enabled = false, reason = \"…\"`", Known::Meant("enabled"))
            }
            Self::Registration => (
                "to exclude the entity, write `backup(enabled = false, reason = \"…\")`",
                Known::Meant("backup"),
            ),
            Self::Scope => (
                "a scope excludes no entity; write `#[entity_backup(enabled = false, reason = \"…\")]` on the type",
                Known::Unknown,
            ),
        };
        cx.error(option, format!("{} has no option `{option}`; {remedy}", self.shown()));
        meant
    }

    /// Returns where an option belongs that is not one of this place, and the option of this place that was meant.
    fn misplaced(self, name: &str) -> Option<(String, Option<&'static str>)> {
        let on_type = ON_TYPE.contains(&name);
        let of_policy = OF_POLICY.contains(&name);
        let text = match self {
            Self::Type if name == "column" => "is an option of fields; use `table` for the type".to_owned(),
            Self::Type | Self::Stream if of_policy => {
                "belongs in `#[entity_backup(…)]`; move it there".to_owned()
            }
            Self::Stream if name == "table" => {
                "is an option of entities; the tables of events are declared in the `event_store` of the provider".to_owned()
            }
            Self::Stream if name == "key" => {
                "is an option of entities; the object id, the stream and the version identify an event".to_owned()
            }
            Self::Stream if on_type => "is an option of entities, and not of event streams; remove it".to_owned(),
            Self::StreamPolicy if OF_STREAM.contains(&name) => {
                "belongs in `#[event_stream(…)]`; move it there".to_owned()
            }
            Self::Field if name == "name" => {
                let text = "belongs on the type; to name the column of a field, write `column = \"…\"`, and to name the field in \
                            records, `#[serde(rename = \"…\")]`";
                return Some((text.to_owned(), Some("column")));
            }
            Self::Field if on_type => "belongs on the type, not on a field; move it to the type".to_owned(),
            Self::Field if of_policy => {
                "belongs in `#[entity_backup(…)]` on the type, because a backup contains whole records; move it there"
                    .to_owned()
            }
            Self::Policy if on_type => "belongs in `#[entity(…)]`; move it there".to_owned(),
            Self::Policy | Self::RegisteredPolicy | Self::StreamPolicy if OF_SCOPE.contains(&name) => {
                let meant = OF_POLICY.iter().copied().find(|known| name.starts_with(known));
                let remedy = meant.map_or_else(|| "move it there".to_owned(), |meant| format!("here there is `{meant}`"));
                return Some((format!("belongs in `entity_backup_scope!`; {remedy}"), meant));
            }
            Self::RegisteredPolicy if on_type => {
                "belongs in `register!`, not in `backup(…)`; move it there".to_owned()
            }
            Self::Registration if of_policy => "belongs in `backup(…)`; move it there".to_owned(),
            Self::Registration if name == "column" => {
                "belongs on a field of a type with the derive; a registered type has the columns of its serde names"
                    .to_owned()
            }
            Self::Scope if matches!(name, "all" | "All" | "none" | "None") => {
                let mode = if name.eq_ignore_ascii_case("all") { "All" } else { "None" };
                return Some((format!("is a mode; write `mode = {mode}`"), Some("mode")));
            }
            Self::Scope if of_policy => {
                let meant = OF_SCOPE.iter().copied().find(|known| known.starts_with(name));
                let remedy = meant.map_or_else(
                    || "belongs in `#[entity_backup(…)]` on a type; move it there".to_owned(),
                    |meant| format!("is for one entity; the default of a scope is `{meant}`"),
                );
                return Some((remedy, meant));
            }
            Self::Type | Self::Field | Self::Policy | Self::Stream | Self::StreamPolicy if OF_SERDE.contains(&name) => {
                "belongs in `#[serde(…)]`; move it there".to_owned()
            }
            _ => return None,
        };
        Some((text, None))
    }
}
