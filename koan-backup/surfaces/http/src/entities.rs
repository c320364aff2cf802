//! The entities that routes can name.

use std::collections::{BTreeMap, BTreeSet};

use koan_backup_core::report::{DeclarationKind, IncludedEntity};
use koan_backup_core::{Error, ErrorKind, Koan, Result};

use crate::problem::{Problem, ProblemKind};

/// The names that are parts of routes, so that no entity can have them in a path.
const RESERVED: [&str; 5] = ["backup", "create", "capabilities", "streams", "stream-backups"];

/// An entity that a route can name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoutedEntity {
    /// The name of the entity.
    pub(crate) name: String,
    /// The names in paths, as they were declared: the name, the route and the table.
    pub(crate) spellings: Vec<String>,
}

/// The entities of a context by their names in paths, which ignore case, and the object names of its event streams.
#[derive(Debug)]
pub(crate) struct RoutedEntities {
    by_spelling: BTreeMap<String, RoutedEntity>,
    /// The object names that bodies can contain.
    objects: BTreeSet<String>,
}

impl RoutedEntities {
    /// Determines the names in paths: of each entity its name, its route and its table.
    ///
    /// # Errors
    /// Two entities have the same name in paths, or an entity has a name that is a part of routes.
    pub(crate) fn of(koan: &Koan) -> Result<Self> {
        let inventory = koan.inventory();
        let of_kind = |kind| inventory.included.iter().filter(move |entry| entry.kind == kind);
        let mut routed = Self::new(
            of_kind(DeclarationKind::Entity)
                .map(|entity| RoutedEntity { name: entity.entity.clone(), spellings: spellings(entity) }),
        )?;
        of_kind(DeclarationKind::EventStream).for_each(|streams| routed.add_streams(&streams.entity));
        Ok(routed)
    }

    /// Adds an object name. The routes of entities can name it as well, unless an entity or a route has the name: event
    /// streams have routes of their own.
    fn add_streams(&mut self, object: &str) {
        self.objects.insert(object.to_owned());
        let key = object.to_lowercase();
        if !RESERVED.contains(&key.as_str()) {
            let routed = RoutedEntity { name: object.to_owned(), spellings: vec![object.to_owned()] };
            self.by_spelling.entry(key).or_insert(routed);
        }
    }

    fn new(entities: impl IntoIterator<Item = RoutedEntity>) -> Result<Self> {
        let mut by_spelling: BTreeMap<String, RoutedEntity> = BTreeMap::new();
        for entity in entities {
            for spelling in &entity.spellings {
                let key = spelling.to_lowercase();
                if RESERVED.contains(&key.as_str()) {
                    let text = format!("`{}` cannot be an entity in the paths of the HTTP API", entity.name);
                    return Err(Error::new(ErrorKind::Inventory, text).with_help(format!(
                        "`{spelling}` is a part of the routes; name the entity or its table otherwise"
                    )));
                }
                if let Some(other) = by_spelling.get(&key).filter(|other| other.name != entity.name) {
                    let text = format!("`{spelling}` is a name of `{}` and of `{}`", other.name, entity.name);
                    return Err(Error::new(ErrorKind::Inventory, text).with_help(
                        "the paths of the HTTP API ignore case; name one of the entities or its table otherwise",
                    ));
                }
                by_spelling.insert(key, entity.clone());
            }
        }
        Ok(Self { by_spelling, objects: BTreeSet::new() })
    }

    /// Returns a problem unless an entity has exactly this name, as in bodies.
    pub(crate) fn require(&self, name: &str) -> Result<(), Problem> {
        match self.objects.contains(name) || self.by_spelling.values().any(|entity| entity.name == name) {
            true => Ok(()),
            false => Err(self.unknown(name, "no entity has the name in the request")),
        }
    }

    /// Returns the entity with this name in a path.
    pub(crate) fn find(&self, name: &str) -> Result<RoutedEntity, Problem> {
        if let Some(entity) = self.by_spelling.get(&name.to_lowercase()) {
            return Ok(entity.clone());
        }
        Err(self.unknown(name, "no entity of the application has the name in the path"))
    }

    fn unknown(&self, name: &str, detail: &str) -> Problem {
        let problem = Problem::new(ProblemKind::NotFound, detail);
        let similar =
            self.all().into_iter().map(|entity| (strsim::jaro_winkler(&entity.name, name), entity.name));
        match similar
            .filter(|(similarity, _)| *similarity > 0.8)
            .max_by(|one, other| one.0.total_cmp(&other.0))
        {
            Some((_, name)) => problem.with_help(format!("did you mean `{name}`?")),
            None => problem.with_help("`/backup/capabilities` lists the entities"),
        }
    }

    /// Returns every entity once, sorted by name.
    pub(crate) fn all(&self) -> Vec<RoutedEntity> {
        let by_name: BTreeMap<_, _> =
            self.by_spelling.values().map(|entity| (&entity.name, entity)).collect();
        by_name.into_values().cloned().collect()
    }
}

fn spellings(entity: &IncludedEntity) -> Vec<String> {
    let table = entity.table.as_deref().map(|table| table.rsplit('.').next().unwrap_or(table).to_owned());
    let mut spellings = vec![entity.entity.clone()];
    spellings.extend(entity.route.clone().filter(|route| !route.eq_ignore_ascii_case(&entity.entity)));
    spellings.extend(table.filter(|table| !table.eq_ignore_ascii_case(&entity.entity)));
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(name: &str, spellings: &[&str]) -> RoutedEntity {
        RoutedEntity { name: name.to_owned(), spellings: spellings.iter().map(|&s| s.to_owned()).collect() }
    }

    fn refused(entities: impl IntoIterator<Item = RoutedEntity>) -> String {
        RoutedEntities::new(entities).expect_err("the entities are refused").to_string()
    }

    #[test]
    fn a_path_names_an_entity_by_name_or_table_in_any_case() {
        let entities = RoutedEntities::new([entity("User", &["User", "users"])]).expect("the names differ");
        for name in ["User", "user", "USERS", "users"] {
            assert_eq!(entities.find(name).expect("it is a name").name, "User", "{name}");
        }
        let problem = entities.find("Usr").expect_err("there is no such entity");
        assert!(format!("{problem:?}").contains("did you mean `User`?"), "{problem:?}");
    }

    #[test]
    fn ambiguous_and_reserved_names_are_refused() {
        let text = refused([entity("User", &["User"]), entity("USER", &["USER"])]);
        assert!(text.contains("`USER` is a name of `User` and of `USER`"), "{text}");
        let text = refused([entity("Backup", &["Backup"])]);
        assert!(text.contains("`Backup` cannot be an entity"), "{text}");
        for route in ["streams", "stream-backups"] {
            let text = refused([entity("Stream", &["Stream", route])]);
            assert!(text.contains(&format!("`{route}` is a part of the routes")), "{text}");
        }
    }

    #[test]
    fn an_object_name_does_not_hide_an_entity_or_a_route() {
        let mut entities = RoutedEntities::new([entity("Order", &["Order", "orders"])]).expect("one entity");
        for object in ["order", "streams", "patient"] {
            entities.add_streams(object);
            entities.require(object).expect("a body can name it");
        }
        assert_eq!(entities.find("order").expect("it is a name").name, "Order");
        assert_eq!(entities.find("patient").expect("it is a name").name, "patient");
        entities.find("streams").expect_err("it is a part of routes");
    }
}
