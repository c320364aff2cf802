//! The methods of the builder that identify the application.

use super::KoanBuilder;

impl KoanBuilder {
    /// Sets the name of the application. The default is `default`. Together with the
    /// [environment](Self::environment) it distinguishes the backups of this application from others in the
    /// same storage profile.
    pub fn application(mut self, name: impl Into<String>) -> Self {
        self.application = Some(name.into());
        self
    }

    /// Sets the environment of the application, for example `production`. The default is the value of the
    /// environment variable `KOAN_ENV`, or else `development`.
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.application_environment = Some(name.into());
        self
    }
}
