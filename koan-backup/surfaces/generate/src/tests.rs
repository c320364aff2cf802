//! Tests of the text of modules and of their comparison, with schemas that are written by hand.

use koan_backup_core::provider::{
    ColumnDescription, ColumnFieldType, DatabaseSchema, EnumDescription, TableDescription,
};
use koan_backup_core::schema::LogicalType;
use proptest::prelude::*;

use crate::{Difference, GenerateOptions, TimeCrate, compare, render};

fn column(name: &str, logical: LogicalType) -> ColumnDescription {
    ColumnDescription::new(name, "", ColumnFieldType::Logical(logical))
}

fn integer() -> LogicalType {
    LogicalType::Integer { bits: 64, signed: true }
}

/// Returns a table whose key is its first column, which cannot contain NULL.
fn table(name: &str, mut columns: Vec<ColumnDescription>) -> TableDescription {
    let mut table = TableDescription::new(name);
    columns[0].nullable = false;
    table.key = vec![columns[0].name.clone()];
    table.columns = columns;
    table
}

fn schema(tables: Vec<TableDescription>) -> DatabaseSchema {
    let mut schema = DatabaseSchema::new("sqlite");
    schema.relations = tables.iter().map(|table| table.name.clone()).collect();
    schema.tables = tables;
    schema
}

fn found(module: &str, schema: &DatabaseSchema) -> Vec<Difference> {
    compare(module, schema).expect("the module is valid Rust")
}

#[test]
fn what_no_struct_covers_is_listed_and_what_a_person_decides_is_a_comment() {
    let mut without_key = table("log", vec![column("entry", LogicalType::Text)]);
    without_key.key.clear();
    let mut computed = column("total", integer());
    computed.generated = true;
    let unreadable = ColumnDescription::new(
        "mixed",
        "",
        ColumnFieldType::Unreadable("it mixes BLOBs and numbers".to_owned()),
    );
    let mut odd = column("odd", LogicalType::Text);
    odd.notes.push("the column is declared as `DATE`, but it contains other values".to_owned());
    let columns = vec![
        column("id", integer()),
        computed,
        unreadable,
        odd,
        column(" ", integer()),
        column("email", LogicalType::Text),
    ];
    let mut schema =
        schema(vec![without_key, table(" ", vec![column("id", integer())]), table("person", columns)]);
    schema.uncoverable.push("sequence `a\nb` belongs to no table".to_owned());
    insta::assert_snapshot!(render(&schema, &GenerateOptions::default()));
}

#[test]
fn a_module_without_tables_has_no_unused_imports() {
    let mut without_key =
        table("log", vec![ColumnDescription::new("mood", "", ColumnFieldType::Enum("mood".to_owned()))]);
    without_key.key.clear();
    let mut schema = schema(vec![without_key]);
    schema.enums.push(EnumDescription::new("mood", vec!["sad".to_owned()]));
    let module = render(&schema, &GenerateOptions::default());
    assert!(!module.contains("use ") && !module.contains("enum"), "{module}");
    assert_eq!(found(&module, &schema), []);
}

#[test]
fn a_struct_declares_its_table_if_its_name_finds_another_or_several() {
    let mut hidden = table("person", vec![column("id", integer())]);
    hidden.address = "sales.person".to_owned();
    let id = || vec![column("id", integer())];
    let mut schema =
        schema(vec![table("person", id()), table("user_log", id()), table("album", id()), hidden]);
    schema.relations = ["person", "user_log", "UserLog", "album"].map(str::to_owned).to_vec();
    let module = render(&schema, &GenerateOptions::default());
    let declared: Vec<&str> = module.lines().filter(|line| line.starts_with("#[entity(")).collect();
    assert_eq!(declared, ["#[entity(table = \"user_log\")]", "#[entity(table = \"sales.person\")]"]);
    assert_eq!(found(&module, &schema), []);
}

#[test]
fn a_module_that_was_edited_is_equal_if_it_covers_the_same_columns() {
    let columns = vec![
        column("order_id", integer()),
        column("lineNo", integer()),
        column("placed at", LogicalType::Timestamp),
        column("day", LogicalType::Date),
        ColumnDescription::new("mood", "mood", ColumnFieldType::Enum("mood".to_owned())),
    ];
    let mut lines = table("order_line", columns);
    lines.columns[1].nullable = false;
    lines.key = vec!["order_id".to_owned(), "lineNo".to_owned()];
    let mut schema =
        schema(vec![lines, table("setting", vec![column("id", integer()), column("other", integer())])]);
    schema.enums.push(EnumDescription::new("mood", vec!["very-sad".to_owned(), "ok".to_owned()]));
    let module = r#"
        pub mod orders {
            #[derive(koan_backup::Entity, Serialize)]
            #[entity(table = "ORDER_LINE", key = "order_id, line_no")]
            #[serde(rename_all = "camelCase")]
            struct Line {
                order_id: i64,
                line_no: i64,
                #[entity(column = "PLACED AT")]
                time: Option<jiff::Timestamp>,
                #[serde(rename = "day")]
                date: std::option::Option<NaiveDate>,
                mood: Option<Feeling>,
                #[serde(skip)]
                cache: u8,
            }
            #[derive(Serialize)]
            #[serde(rename_all = "kebab-case")]
            enum Feeling { VerySad, #[serde(rename(serialize = "ok", deserialize = "ok"))] Fine }
        }
        #[derive(Entity)]
        struct Setting { id: i64, #[serde(flatten)] rest: BTreeMap<String, Value> }
        #[derive(Entity)]
        #[entity(provider = "files")]
        struct Elsewhere { id: i64 }
        struct NoEntity { id: i64 }"#;
    assert_eq!(found(module, &schema), []);
    let renamed = module.replace("VerySad", "Sad").replace("line_no: i64", "line_no: String");
    let expected = [
        Difference::DifferentType {
            entity: "Line".to_owned(),
            field: "line_no".to_owned(),
            expected: "i64".to_owned(),
            found: "String".to_owned(),
        },
        Difference::MissingLabel { name: "Feeling".to_owned(), label: "very-sad".to_owned() },
        Difference::ExtraVariant { name: "Feeling".to_owned(), label: "sad".to_owned() },
    ];
    assert_eq!(found(&renamed, &schema), expected);
}

#[test]
fn an_enum_of_a_list_is_compared() {
    let element = Box::new(ColumnFieldType::Enum("mood".to_owned()));
    let list = ColumnFieldType::List { element, nullable_elements: true };
    let columns = vec![column("id", integer()), ColumnDescription::new("moods", "mood[]", list)];
    let mut schema = schema(vec![table("person", columns)]);
    schema.enums.push(EnumDescription::new("mood", vec!["sad".to_owned()]));
    let module = render(&schema, &GenerateOptions::default());
    assert_eq!(found(&module, &schema), []);
    assert_eq!(found(&module.replace("Vec<Option<Mood>>", "Vec<Mood>"), &schema), []);
    schema.enums[0].labels.push("happy".to_owned());
    assert_eq!(
        found(&module, &schema),
        [Difference::MissingLabel { name: "Mood".to_owned(), label: "happy".to_owned() }]
    );
}

#[test]
fn a_difference_has_a_stable_form_in_json() {
    let difference = Difference::DifferentNullability {
        entity: "Person".to_owned(),
        field: "email".to_owned(),
        nullable: true,
    };
    let json = serde_json::to_string(&difference).expect("JSON");
    assert_eq!(json, r#"{"kind":"differentNullability","entity":"Person","field":"email","nullable":true}"#);
}

#[test]
fn the_name_of_a_crate_for_times_is_parsed_and_another_is_refused() {
    for time in TimeCrate::ALL {
        assert_eq!(time.name().parse::<TimeCrate>().expect("a known name"), time);
    }
    let error = "date".parse::<TimeCrate>().expect_err("an unknown name").to_string();
    assert_eq!(error, "`date` is not a crate for dates and times; use `chrono`, `jiff` or `time`");
}

proptest! {
    /// Whatever the names are, the module is valid Rust, and covers the schema from which it was rendered.
    #[test]
    fn a_module_covers_its_schema_whatever_the_names_are(
        names in proptest::collection::vec(
            ("\\PC{0,6}|[aA_ ]{1,4}|self|type|Option", "\\PC{0,6}|[aA_ ]{1,4}|crate|id"),
            1..6,
        ),
    ) {
        let mut tables: Vec<TableDescription> = Vec::new();
        for (name, _) in &names {
            if tables.iter().any(|table| table.name == *name) {
                continue;
            }
            let mut columns = vec![column("key", integer())];
            for (_, name) in &names {
                if !columns.iter().any(|column| column.name == *name) {
                    columns.push(column(name, LogicalType::Text));
                }
            }
            tables.push(table(name, columns));
        }
        let schema = schema(tables);
        let module = render(&schema, &GenerateOptions::default());
        prop_assert_eq!(found(&module, &schema), [], "{}", module);
    }
}
