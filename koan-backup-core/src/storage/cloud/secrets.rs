//! Secrets, which must never appear in a message.

use std::fmt;
use std::sync::Arc;

use crate::storage::options::{EnvironmentVariables, StorageOptions};

/// Secret values, which are removed from the responses of the store.
#[derive(Clone, Default)]
pub(super) struct Secrets(Arc<[String]>);

/// Words in the names of options and variables with secret values.
const SECRET_WORDS: [&str; 6] = ["secret", "key", "token", "password", "credential", "signature"];
/// The minimum length of a secret. Shorter values are not treated as secrets, because their removal would
/// make messages unreadable.
pub(super) const MIN_SECRET_BYTES: usize = 6;

impl Secrets {
    /// Collects the secrets among the options and the environment variables.
    pub(super) fn collect(storage_options: &StorageOptions) -> Self {
        let options = storage_options.options.iter().cloned();
        let variables: Vec<(String, String)> = match storage_options.environment {
            EnvironmentVariables::Ignored => Vec::new(),
            EnvironmentVariables::Read => std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .filter(|(name, _)| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|cloud| name.starts_with(cloud)))
                .collect(),
        };
        let secret = |(name, value): (String, String)| {
            let name = name.to_ascii_lowercase();
            let is_secret = SECRET_WORDS.iter().any(|word| name.contains(word)) && !name.ends_with("key_id");
            match value.split_once("://") {
                // The value is an address, which may contain a password, for example the address of a proxy.
                Some((_, rest)) if !is_secret => {
                    let (credentials, _) = rest.rsplit_once('@')?;
                    let secret = credentials.split_once(':').map_or(credentials, |(_, secret)| secret);
                    (secret.len() >= MIN_SECRET_BYTES).then(|| secret.to_owned())
                }
                _ => (is_secret && value.len() >= MIN_SECRET_BYTES).then_some(value),
            }
        };
        Self(options.chain(variables).filter_map(secret).collect())
    }

    /// Returns the text with each secret replaced by `…`.
    pub(super) fn redact(&self, text: String) -> String {
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
    fn secret_values_are_removed_from_texts_and_other_values_are_not() {
        let options = StorageOptions::new("s3://bucket".to_owned())
            .without_environment()
            .credentials("AKIAPUBLIC", "hunter2!")
            .option("AWS_SESSION_TOKEN", "token-1")
            .option("sas_key", "sv=2&sig=x")
            .option("proxy_url", "http://ann:pr@xy-pw@proxy:3128")
            .region("eu-central-1");
        let secrets = Secrets::collect(&options);
        let text = secrets.redact("AKIAPUBLIC hunter2! token-1 eu-central-1 sv=2&sig=x pr@xy-pw".to_owned());
        assert_eq!(text, "AKIAPUBLIC … … eu-central-1 … …");
        for debug_text in [format!("{secrets:?}"), format!("{options:?}")] {
            assert!(
                !["hunter2", "token-1", "sig=x"].iter().any(|secret| debug_text.contains(secret)),
                "{debug_text}"
            );
        }
    }
}
