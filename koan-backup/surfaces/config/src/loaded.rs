//! The valid settings and their layers.

use koan_backup_core::Error;

use crate::key_path;
use crate::layers::Layers;
use crate::node::Node;
use crate::problem::Problem;
use crate::secret::CommandLimits;
use crate::settings::Settings;
use crate::sources::ConfigurationSources;

/// The settings of all layers, and the layers for the origins of their values.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    pub(crate) layers: Layers,
    pub(crate) limits: CommandLimits,
}

impl Loaded {
    /// Reads all sources, or returns all problems.
    pub(crate) fn read(sources: &ConfigurationSources) -> Result<Self, Vec<Problem>> {
        let layers = Layers::read(sources);
        if !layers.problems.is_empty() {
            return Err(layers.problems);
        }
        let settings: Settings = serde_json::from_value(layers.merged.to_json())
            .map_err(|error| vec![Problem::of_file(format!("the configuration is not valid: {error}"))])?;
        Ok(Self { settings, layers, limits: sources.limits.clone() })
    }

    /// Returns the error for the problems of opening what is configured.
    pub(crate) fn error(&self, problems: &[Problem]) -> Error {
        if self.limits.cancel.is_cancelled() { Error::cancelled() } else { Problem::error(problems) }
    }

    /// Returns the value at the path of a key.
    pub(crate) fn node(&self, key: &str) -> Option<&Node> {
        self.layers.merged.at(&key_path::parse(key))
    }
}
