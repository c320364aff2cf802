//! What must never stand in a text.

use std::fmt;
use std::sync::Arc;

use crate::storage::options::{StorageOptions, Variables};

/// Values that open a store. They are taken out of whatever the store answers.
#[derive(Clone, Default)]
pub(super) struct Secrets(Arc<[String]>);

/// Words in the names of options and variables whose values open something.
const TELLING: [&str; 6] = ["secret", "key", "token", "password", "credential", "signature"];
/// Shorter values open nothing, and taking them out would garble the text.
pub(super) const SHORTEST: usize = 6;

impl Secrets {
    /// Those among the options and the environment variables.
    pub(super) fn of(options: &StorageOptions) -> Self {
        let said = options.options.iter().cloned();
        let variables: Vec<(String, String)> = match options.environment {
            Variables::Ignored => Vec::new(),
            Variables::Read => std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .filter(|(name, _)| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|cloud| name.starts_with(cloud)))
                .collect(),
        };
        let secret = |(name, value): (String, String)| {
            let name = name.to_ascii_lowercase();
            let telling = TELLING.iter().any(|word| name.contains(word)) && !name.ends_with("key_id");
            match value.split_once("://") {
                // Of the address of a proxy, what stands before its host.
                Some((_, rest)) if !telling => {
                    let (credentials, _) = rest.rsplit_once('@')?;
                    let secret = credentials.split_once(':').map_or(credentials, |(_, secret)| secret);
                    (secret.len() >= SHORTEST).then(|| secret.to_owned())
                }
                _ => (telling && value.len() >= SHORTEST).then_some(value),
            }
        };
        Self(said.chain(variables).filter_map(secret).collect())
    }

    /// The text without them.
    pub(super) fn hidden_in(&self, text: String) -> String {
        self.0.iter().fold(text, |text, secret| text.replace(secret.as_str(), "…"))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_open_something_are_hidden_and_others_are_not() {
        let options = StorageOptions::new("s3://bucket".to_owned())
            .without_environment()
            .credentials("AKIAPUBLIC", "hunter2!")
            .option("AWS_SESSION_TOKEN", "token-1")
            .option("sas_key", "sv=2&sig=x")
            .option("proxy_url", "http://ann:pr@xy-pw@proxy:3128")
            .region("eu-central-1");
        let secrets = Secrets::of(&options);
        let text =
            secrets.hidden_in("AKIAPUBLIC hunter2! token-1 eu-central-1 sv=2&sig=x pr@xy-pw".to_owned());
        assert_eq!(text, "AKIAPUBLIC … … eu-central-1 … …");
        for shown in [format!("{secrets:?}"), format!("{options:?}")] {
            assert!(!["hunter2", "token-1", "sig=x"].iter().any(|secret| shown.contains(secret)), "{shown}");
        }
    }
}
