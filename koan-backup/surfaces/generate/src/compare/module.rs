//! Reads the entities and enums that a module declares.

use syn::ext::IdentExt as _;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Fields, Item, ItemEnum, ItemStruct, Lit, Meta, Token};

use super::serde_name::Case;
use super::type_text;
use crate::options::TimeCrate;

/// The entities and enums of a module.
#[derive(Debug, Default)]
pub(super) struct Module {
    pub(super) structs: Vec<DeclaredStruct>,
    pub(super) enums: Vec<DeclaredEnum>,
}

/// A struct that derives `Entity`.
#[derive(Debug)]
pub(super) struct DeclaredStruct {
    pub(super) name: String,
    pub(super) entity_name: String,
    pub(super) table: Option<String>,
    /// The fields of `key = "…"`; empty if the type does not declare a key.
    key: Vec<String>,
    pub(super) fields: Vec<DeclaredField>,
    /// Whether a flattened field contains the columns without a field.
    pub(super) is_open: bool,
}

/// A field that serde writes.
#[derive(Debug)]
pub(super) struct DeclaredField {
    /// The name, without `r#`.
    pub(super) name: String,
    pub(super) serde_name: String,
    pub(super) column: Option<String>,
    is_marked: bool,
    pub(super) is_optional: bool,
    /// The type without `Option`, with the last segment of each path.
    pub(super) type_text: String,
}

/// An enum whose variants have no fields.
#[derive(Debug)]
pub(super) struct DeclaredEnum {
    pub(super) name: String,
    /// The serde names of the variants.
    pub(super) labels: Vec<String>,
}

impl Module {
    /// Parses the text of a module. Its inline modules are included.
    pub(super) fn parse(text: &str) -> syn::Result<Self> {
        let mut module = Self::default();
        module.read(syn::parse_file(text)?.items)?;
        Ok(module)
    }

    fn read(&mut self, items: Vec<Item>) -> syn::Result<()> {
        for item in items {
            match item {
                Item::Struct(item) if derives_entity(&item.attrs)? => {
                    self.structs.extend(declared_struct(&item)?)
                }
                Item::Enum(item) => self.enums.extend(declared_enum(&item)?),
                Item::Mod(item) => self.read(item.content.map(|(_, items)| items).unwrap_or_default())?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the crate whose types the module uses for dates and times, as far as its types show.
    pub(super) fn time(&self) -> TimeCrate {
        let uses = |types: &[&str]| {
            self.structs
                .iter()
                .flat_map(|declared| &declared.fields)
                .any(|field| types.contains(&field.type_text.as_str()))
        };
        if uses(&["OffsetDateTime", "PrimitiveDateTime"]) {
            TimeCrate::Time
        } else if uses(&["Timestamp", "DateTime"]) {
            TimeCrate::Jiff
        } else {
            TimeCrate::Chrono
        }
    }
}

impl DeclaredStruct {
    /// Returns whether a field belongs to the key.
    pub(super) fn is_key(&self, field: &DeclaredField) -> bool {
        if !self.key.is_empty() {
            return self.key.contains(&field.name);
        }
        match self.fields.iter().any(|field| field.is_marked) {
            true => field.is_marked,
            false => field.name == "id",
        }
    }
}

fn derives_entity(attributes: &[Attribute]) -> syn::Result<bool> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        let derives = attribute.parse_args_with(Punctuated::<syn::Path, Token![,]>::parse_terminated)?;
        if derives.iter().any(|path| path.segments.last().is_some_and(|last| last.ident == "Entity")) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads a struct; `None` if its records are in another provider, or if it has no named fields.
fn declared_struct(item: &ItemStruct) -> syn::Result<Option<DeclaredStruct>> {
    let entity = options(&item.attrs, "entity")?;
    let Fields::Named(named) = &item.fields else { return Ok(None) };
    if text_of(&entity, "provider").is_some_and(|provider| provider != "main") {
        return Ok(None);
    }
    let name = item.ident.unraw().to_string();
    let case = container_case(&item.attrs)?;
    let (mut fields, mut is_open) = (Vec::new(), false);
    for field in &named.named {
        let serde = options(&field.attrs, "serde")?;
        let has = |option: &str| serde.iter().any(|meta| meta.path().is_ident(option));
        if has("flatten") {
            is_open = true;
            continue;
        }
        if has("skip") || has("skip_serializing") {
            continue;
        }
        let Some(ident) = &field.ident else { continue };
        let own_name = ident.unraw().to_string();
        let entity = options(&field.attrs, "entity")?;
        let (type_text, is_optional) = type_text::of_field(&field.ty);
        fields.push(DeclaredField {
            serde_name: renamed(&serde).unwrap_or_else(|| case.of_field(&own_name)),
            name: own_name,
            column: text_of(&entity, "column"),
            is_marked: entity.iter().any(|meta| meta.path().is_ident("key")),
            is_optional,
            type_text,
        });
    }
    let key = text_of(&entity, "key").unwrap_or_default();
    Ok(Some(DeclaredStruct {
        entity_name: text_of(&entity, "name").unwrap_or_else(|| name.clone()),
        name,
        table: text_of(&entity, "table"),
        key: key
            .split(',')
            .map(|part| part.trim().trim_start_matches("r#").to_owned())
            .filter(|part| !part.is_empty())
            .collect(),
        fields,
        is_open,
    }))
}

/// Reads an enum; `None` if a variant has fields.
fn declared_enum(item: &ItemEnum) -> syn::Result<Option<DeclaredEnum>> {
    if item.variants.iter().any(|variant| !matches!(variant.fields, Fields::Unit)) {
        return Ok(None);
    }
    let case = container_case(&item.attrs)?;
    let mut labels = Vec::new();
    for variant in &item.variants {
        let serde = options(&variant.attrs, "serde")?;
        labels.push(renamed(&serde).unwrap_or_else(|| case.of_variant(&variant.ident.unraw().to_string())));
    }
    Ok(Some(DeclaredEnum { name: item.ident.unraw().to_string(), labels }))
}

fn container_case(attributes: &[Attribute]) -> syn::Result<Case> {
    Ok(Case::from_name(text_of(&options(attributes, "serde")?, "rename_all").as_deref()))
}

/// Returns the serde name of `rename = "…"`, or of `rename(serialize = "…")`.
fn renamed(serde: &[Meta]) -> Option<String> {
    text_of(serde, "rename").or_else(|| {
        let list = serde.iter().find(|meta| meta.path().is_ident("rename"))?.require_list().ok()?;
        let inner = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
        text_of(&inner.into_iter().collect::<Vec<_>>(), "serialize")
    })
}

/// Returns the options of all attributes with a name.
fn options(attributes: &[Attribute], name: &str) -> syn::Result<Vec<Meta>> {
    let mut options = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(name)) {
        if let Meta::List(list) = &attribute.meta {
            options.extend(list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?);
        }
    }
    Ok(options)
}

/// Returns the text of the option `name = "…"`.
fn text_of(options: &[Meta], name: &str) -> Option<String> {
    options.iter().find_map(|meta| match meta {
        Meta::NameValue(pair) if pair.path.is_ident(name) => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}
