//! Recipients and keys.

use koan_backup_core::{Keys, KoanBuilder, Recipients};

use super::Build;

impl Build<'_> {
    /// Adds recipients and sources of keys to the builder.
    pub(super) fn encryption(&mut self, mut builder: KoanBuilder) -> KoanBuilder {
        let settings = &self.loaded.settings.encryption;
        let given = [
            ("encryption.recipients", settings.recipients.is_some()),
            ("encryption.recipients_file", settings.recipients_file.is_some()),
            ("encryption.passphrase", settings.passphrase.is_some()),
        ];
        let given: Vec<_> = given.into_iter().filter(|(_, is_given)| *is_given).map(|(key, _)| key).collect();
        if let [first, second, ..] = given.as_slice() {
            let message = format!("both `{first}` and `{second}` set recipients");
            self.refuse(second, message, "remove one of them");
        }
        if let Some(keys) = &settings.recipients {
            let recipients = self.accept("encryption.recipients", Recipients::keys(keys));
            builder = recipients.into_iter().fold(builder, KoanBuilder::encrypt_to);
        }
        if let Some(path) = &settings.recipients_file {
            let recipients = self.accept("encryption.recipients_file", Recipients::file(path));
            builder = recipients.into_iter().fold(builder, KoanBuilder::encrypt_to);
        }
        if let Some(secret) = &settings.passphrase
            && let Some(passphrase) = self.accept("encryption.passphrase", secret.read())
        {
            builder = builder.keys(Keys::text(passphrase.clone()).as_passphrase());
            let recipients = self.accept("encryption.passphrase", Recipients::passphrase(passphrase));
            builder = recipients.into_iter().fold(builder, KoanBuilder::encrypt_to);
        }
        for keys in settings.keys.iter().flatten().filter_map(|reference| reference.keys()) {
            builder = builder.keys(keys);
        }
        if let Some(keys) = settings.key_passphrase.as_ref().and_then(|reference| reference.keys()) {
            builder = builder.keys(keys.as_passphrase());
        }
        builder
    }
}
