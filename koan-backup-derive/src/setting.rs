//! An option that may be set only once.

use proc_macro2::Ident;

use crate::ctxt::Ctxt;
use crate::options::Opt;

/// The value of an option, and the identifier of the option in the source.
pub(crate) struct Setting<T> {
    value: Option<T>,
    name: Option<Ident>,
}

impl<T> Default for Setting<T> {
    fn default() -> Self {
        Self { value: None, name: None }
    }
}

impl<T> Setting<T> {
    /// Sets the value. Adds an error if the option is already set. `None` means that the value is invalid, and
    /// that an error was already added for it.
    pub(crate) fn set(&mut self, option: &Opt, value: Option<T>, cx: &mut Ctxt) {
        if self.name.is_some() {
            let name = &option.name;
            cx.error(name, format!("duplicate option `{name}`; remove one of them"));
        } else {
            self.name = Some(option.name.clone());
            self.value = value;
        }
    }

    /// Marks the option as written without a value, after an error about it.
    pub(crate) fn set_invalid(&mut self, option: &Opt) {
        self.name.get_or_insert_with(|| option.name.clone());
    }

    /// Returns the identifier of the option in the source, if the option is set.
    pub(crate) fn name(&self) -> Option<&Ident> {
        self.name.as_ref()
    }

    /// Returns the value, if there is a valid one.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// Returns the value, if there is a valid one.
    pub(crate) fn take(self) -> Option<T> {
        self.value
    }
}
