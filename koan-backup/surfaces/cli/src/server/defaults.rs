//! What the server takes from the configuration of the program.

use koan_backup_config::{Configuration, HttpServer};
#[cfg(feature = "metrics")]
use koan_backup_core::Koan;
use koan_backup_core::KoanBuilder;
#[cfg(feature = "metrics")]
use koan_backup_metrics::Metrics;

use crate::failure::Outcome;

/// What the server takes from the configuration of the program. It is empty in an application that builds its context
/// itself.
#[derive(Debug, Default)]
pub(crate) struct ServerDefaults {
    /// The configured settings.
    pub(crate) settings: HttpServer,
    /// The metrics of the context.
    #[cfg(feature = "metrics")]
    pub(crate) metrics: Option<Metrics>,
}

impl ServerDefaults {
    /// Returns the defaults of a configuration.
    ///
    /// # Errors
    /// A setting is not valid.
    pub(crate) fn configured(configuration: &Configuration) -> Outcome<Self> {
        Ok(Self {
            settings: configuration.http()?,
            #[cfg(feature = "metrics")]
            metrics: Some(Metrics::new()),
        })
    }

    /// Adds the listener of the metrics to a builder.
    pub(crate) fn observe(&self, builder: KoanBuilder) -> KoanBuilder {
        #[cfg(feature = "metrics")]
        if let Some(metrics) = &self.metrics {
            return builder.observe(metrics.listener());
        }
        builder
    }

    /// Adds the series and storage profiles of the context to the metrics.
    #[cfg(feature = "metrics")]
    pub(crate) async fn attach(&self, koan: &Koan) {
        if let Some(metrics) = &self.metrics {
            metrics.attach(koan).await;
        }
    }
}
