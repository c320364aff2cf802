//! An option that may be given only once.

use proc_macro2::Ident;

use crate::ctxt::Ctxt;
use crate::options::Opt;

/// The value of an option, and the identifier where it was written.
#[derive(Debug)]
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
    /// Sets the value; a second one is an error. `None` is a value that was refused already.
    pub(crate) fn set(&mut self, option: &Opt, value: Option<T>, cx: &mut Ctxt) {
        if self.name.is_some() {
            let name = &option.name;
            cx.error(name, format!("duplicate option `{name}`; remove one of them"));
        } else {
            self.name = Some(option.name.clone());
            self.value = value;
        }
    }

    /// Returns the identifier where the option was written, if it was.
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
