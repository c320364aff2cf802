//! Recipients and keys.

use koan_backup_core::{Keys, KoanBuilder, Recipients};

use super::Build;

/// The key of the passphrase.
const PASSPHRASE: &str = "encryption.passphrase";

impl Build<'_> {
    /// Adds recipients and sources of keys to the builder.
    pub(super) fn encryption(&mut self, builder: KoanBuilder) -> KoanBuilder {
        let builder = self.recipients().into_iter().fold(builder, KoanBuilder::encrypt_to);
        self.keys().into_iter().fold(builder, KoanBuilder::keys)
    }

    /// Returns the recipients, if they are configured.
    pub(super) fn recipients(&mut self) -> Option<Recipients> {
        let settings = &self.loaded.settings.encryption;
        let given = [
            ("encryption.recipients", settings.recipients.is_some()),
            ("encryption.recipients_file", settings.recipients_file.is_some()),
            (PASSPHRASE, settings.passphrase.is_some()),
        ];
        let given: Vec<_> = given.into_iter().filter(|(_, is_given)| *is_given).map(|(key, _)| key).collect();
        if let [first, second, ..] = given.as_slice() {
            let message = format!("both `{first}` and `{second}` set recipients");
            self.refuse(second, message, "remove one of them");
            return None;
        }
        if let Some(keys) = &settings.recipients {
            return self.accept("encryption.recipients", Recipients::keys(keys));
        }
        if let Some(path) = &settings.recipients_file {
            return self.accept("encryption.recipients_file", Recipients::file(path));
        }
        let passphrase = Recipients::passphrase(self.passphrase()?);
        self.accept(PASSPHRASE, passphrase)
    }

    /// Returns the sources of keys.
    pub(super) fn keys(&mut self) -> Vec<Keys> {
        let settings = &self.loaded.settings.encryption;
        let mut keys: Vec<_> =
            settings.keys.iter().flatten().filter_map(|reference| reference.keys()).collect();
        let passphrase = settings.key_passphrase.as_ref().and_then(|reference| reference.keys());
        keys.extend(passphrase.map(Keys::as_passphrase));
        keys.extend(self.passphrase().map(|passphrase| Keys::text(passphrase).as_passphrase()));
        keys
    }

    /// Returns the passphrase, if it is set. It is read once, so that its command is executed once and its error is
    /// reported once.
    fn passphrase(&mut self) -> Option<String> {
        if self.passphrase.is_none() {
            let secret = self.loaded.settings.encryption.passphrase.as_ref();
            self.passphrase = Some(secret.and_then(|secret| self.read(PASSPHRASE, secret)));
        }
        self.passphrase.clone().flatten()
    }
}
