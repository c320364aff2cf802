//! The options and environment variables that decide which bucket a URL refers to.

use std::collections::BTreeMap;

use super::location::{BucketLocation, Cloud};

/// A property that distinguishes buckets with the same URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Property {
    Endpoint,
    Account,
}

impl Property {
    /// Returns the property that an option or an environment variable sets, if it sets one.
    fn of_name(name: &str) -> Option<Self> {
        const ENDPOINT_NAMES: [&str; 4] = ["endpoint", "endpoint_url", "endpoint_url_s3", "base_url"];
        let name = name.to_ascii_lowercase();
        let ends_with_one_of = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        if ends_with_one_of(&ENDPOINT_NAMES) {
            Some(Self::Endpoint)
        } else {
            ends_with_one_of(&["account_name"]).then_some(Self::Account)
        }
    }
}

/// Returns the identity of a bucket: its URL, endpoint and account, which distinguish it from a bucket with the
/// same name in another account or service. The identity contains no secret, and is only hashed.
///
/// It depends neither on the order of the options and variables nor on variables of other clouds, because a
/// profile whose identity changes is treated as a new profile. An option takes precedence over a variable.
pub(super) fn identity(
    bucket: &BucketLocation,
    options: &[(String, String)],
    variables: impl Iterator<Item = (String, String)>,
) -> String {
    let mut properties = BTreeMap::new();
    // Variables are sorted by name, so that the last of two for one property is always the same one.
    for (name, value) in of_cloud(bucket.cloud, variables) {
        properties.extend(Property::of_name(&name).map(|property| (property, value)));
    }
    for (name, value) in options {
        properties.extend(Property::of_name(name).map(|property| (property, value.clone())));
    }
    properties.into_values().fold(bucket.url(), |identity, value| format!("{identity} {value}"))
}

/// Returns the name of an option or variable whose endpoint contains credentials.
pub(super) fn endpoint_with_credentials(
    bucket: &BucketLocation,
    options: &[(String, String)],
    variables: impl Iterator<Item = (String, String)>,
) -> Option<String> {
    let has_credentials = |(name, value): &(String, String)| {
        let without_scheme = value.split_once("://").map_or(value.as_str(), |(_, rest)| rest);
        let authority = without_scheme.split(['/', '?', '#']).next().unwrap_or_default();
        Property::of_name(name) == Some(Property::Endpoint) && authority.contains('@')
    };
    let variables = of_cloud(bucket.cloud, variables);
    options.iter().cloned().chain(variables).find(has_credentials).map(|(name, _)| name)
}

/// Returns the environment variables of a cloud.
fn of_cloud(cloud: Cloud, variables: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let prefix = match cloud {
        Cloud::S3 => "AWS_",
        Cloud::Azure => "AZURE_",
        Cloud::Google => "GOOGLE_",
    };
    variables.filter(|(name, _)| name.starts_with(prefix)).collect()
}

#[cfg(test)]
mod tests {
    use super::{BucketLocation, Cloud, endpoint_with_credentials, identity};

    fn bucket() -> BucketLocation {
        BucketLocation { cloud: Cloud::S3, bucket: "backups".to_owned(), prefix: "shop".into() }
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn identity_of(options: &[(&str, &str)], variables: &[(&str, &str)]) -> String {
        identity(&bucket(), &pairs(options), pairs(variables).into_iter())
    }

    #[test]
    fn the_identity_does_not_depend_on_an_order_or_on_variables_of_other_clouds() {
        let one = identity_of(&[], &[("AWS_ENDPOINT", "http://a"), ("AWS_ENDPOINT_URL", "http://b")]);
        let reversed = identity_of(&[], &[("AWS_ENDPOINT_URL", "http://b"), ("AWS_ENDPOINT", "http://a")]);
        assert_eq!(one, reversed);
        let with_others = identity_of(
            &[],
            &[
                ("AZURE_STORAGE_ACCOUNT_NAME", "shop"),
                ("AWS_ENDPOINT", "http://a"),
                ("GOOGLE_BASE_URL", "http://c"),
                ("AWS_ENDPOINT_URL", "http://b"),
                ("AWS_REGION", "eu-central-1"),
            ],
        );
        assert_eq!(one, with_others);
        let options = [("endpoint", "http://a"), ("account_name", "shop")];
        let swapped = [options[1], options[0]];
        assert_eq!(identity_of(&options, &[]), identity_of(&swapped, &[]));
    }

    #[test]
    fn another_endpoint_is_another_identity_and_an_option_takes_precedence() {
        let of_variable = |value| identity_of(&[], &[("AWS_ENDPOINT", value)]);
        assert_ne!(of_variable("http://a"), of_variable("http://b"));
        assert_ne!(of_variable("http://a"), identity_of(&[], &[]));
        let with_option = identity_of(&[("aws_endpoint", "http://a")], &[("AWS_ENDPOINT", "http://b")]);
        assert_eq!(with_option, of_variable("http://a"));
    }

    #[test]
    fn only_an_at_sign_in_the_authority_of_an_endpoint_is_a_credential() {
        let found =
            |value| endpoint_with_credentials(&bucket(), &pairs(&[("endpoint", value)]), std::iter::empty());
        assert_eq!(found("https://user:secret@store.example/path").as_deref(), Some("endpoint"));
        assert_eq!(found("user@store.example").as_deref(), Some("endpoint"));
        assert_eq!(found("https://store.example/tenants/a@b"), None);
        assert_eq!(found("https://store.example"), None);
    }
}
