//! The valid settings and their layers.

use crate::key_path;
use crate::layers::Layers;
use crate::node::Node;
use crate::problem::Problem;
use crate::settings::Settings;
use crate::sources::ConfigurationSources;

/// The settings of all layers, and the layers for the origins of their values.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    pub(crate) layers: Layers,
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
        Ok(Self { settings, layers })
    }

    /// Returns the value at the path of a key.
    pub(crate) fn node(&self, key: &str) -> Option<&Node> {
        self.layers.merged.at(&key_path::parse(key))
    }
}
