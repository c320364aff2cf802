//! The flags that select entities.

use clap::Args;

/// The flags that select entities, providers and sets.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SelectionArgs {
    /// Only this entity (repeatable)
    #[arg(long = "entity", value_name = "ENTITY")]
    pub(crate) entities: Vec<String>,
    /// All except this entity (repeatable)
    #[arg(long, value_name = "ENTITY")]
    pub(crate) exclude: Vec<String>,
    /// Only entities of this provider, by name or kind (repeatable)
    #[arg(long = "provider", value_name = "PROVIDER")]
    pub(crate) providers: Vec<String>,
    /// All except entities of this provider (repeatable)
    #[arg(long = "exclude-provider", value_name = "PROVIDER")]
    pub(crate) exclude_providers: Vec<String>,
    /// Only this set (repeatable)
    #[arg(long = "set", value_name = "SET")]
    pub(crate) sets: Vec<String>,
}

/// Applies the flags to a builder of core.
macro_rules! select {
    ($builder:expr, $selection:expr) => {
        $builder
            .entities(&$selection.entities)
            .exclude(&$selection.exclude)
            .providers(&$selection.providers)
            .exclude_providers(&$selection.exclude_providers)
            .sets(&$selection.sets)
    };
}

pub(crate) use select;
