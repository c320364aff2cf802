//! Entities inside functions, blocks and private modules, with raw identifiers, and from macros.

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

mod private {
    use koan_backup::Entity;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, Entity)]
    struct Hidden {
        id: super::Id,
    }

    mod deeper {
        #[derive(serde::Serialize, serde::Deserialize, koan_backup::Entity)]
        pub(super) struct Deep {
            pub(super) id: i64,
        }
    }

    pub fn check() {
        use koan_backup::Entity as _;
        assert_eq!(Hidden { id: 1 }.key(), 1);
        assert_eq!(deeper::Deep { id: 1 }.key(), 1);
        assert!(deeper::Deep::descriptor().type_path().ends_with("::private::deeper::Deep"));
    }
}

type Id = i64;

#[allow(non_camel_case_types)]
#[derive(Serialize, Deserialize, Entity)]
struct r#struct {
    #[entity(key)]
    r#type: String,
    r#fn: Vec<Self>,
}

macro_rules! entity {
    ($name:ident, $key:ident: $ty:ty, $table:literal) => {
        #[derive(Serialize, Deserialize, Entity)]
        #[entity(table = $table)]
        struct $name {
            #[entity(key)]
            $key: $ty,
            maybe: Option<$ty>,
        }
    };
}

entity!(FromMacro, code: Vec<u8>, "codes");

struct Holder;

impl Holder {
    fn inside() -> &'static str {
        #[derive(Serialize, Deserialize, Entity)]
        struct InMethod {
            id: i64,
        }
        assert_eq!(InMethod { id: 2 }.key(), 2);
        InMethod::descriptor().name()
    }
}

#[test]
fn is_accepted() {
    type Local = u16;

    #[derive(Serialize, Deserialize, Entity)]
    struct InFunction {
        id: Local,
    }

    private::check();
    assert_eq!(InFunction { id: 3 }.key(), 3);
    assert_eq!(Holder::inside(), "InMethod");

    let raw = r#struct { r#type: "a".into(), r#fn: vec![] };
    assert_eq!(raw.key(), "a");
    assert_eq!(r#struct::descriptor().name(), "struct");
    let schema = r#struct::descriptor().schema();
    let fields: Vec<_> = schema.fields.iter().map(|field| (&*field.name, &*field.rust_type)).collect();
    assert_eq!(fields, [("type", "String"), ("fn", "Vec<Self>")]);

    assert_eq!(FromMacro { code: vec![1], maybe: None }.key(), [1]);
    assert_eq!(FromMacro::descriptor().table(), Some("codes"));
    assert_eq!(FromMacro::descriptor().schema().fields[1].rust_type, "Option<Vec<u8>>");
    assert_eq!(crate::declared_in(module_path!()).count(), 6);
}
