//! Measures what it costs a crate to declare entities: the processor time of Cargo for 300 types of twelve fields,
//! against the same types with only the derives of serde.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Result;
use crate::measured::{Measured, median, run};
use crate::table::{Table, seconds};

const TYPES: usize = 300;

/// What the types of a generated crate have besides the derives of serde.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Models {
    /// Nothing. A compiler generates code for a generic function only where it is used, so it generates almost
    /// none for these types.
    Serde,
    /// `serde_json` reads and writes each type, as a codec does.
    Json,
    /// `#[derive(Entity)]` of `koan-backup-entity`.
    Entity,
}

const CRATES: [Models; 3] = [Models::Serde, Models::Json, Models::Entity];

/// Generates the crates, compiles their dependencies, and measures each way to compile them.
pub(crate) fn measure(table: &mut Table, runs: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    write_workspace(folder.path())?;
    table.heading(&format!(
        "{TYPES} types of twelve fields: `koan-backup-entity` against serde's derives; in parentheses, against derives that `serde_json` uses"
    ));
    let ways: [(&str, &[&str], &str); 3] = [
        ("cargo check", &["check"], "≤ 1.15 ×"),
        ("cargo build", &["build"], "≤ 1.40 ×"),
        ("cargo build --release", &["build", "--release"], "≤ 1.60 ×"),
    ];
    for (name, arguments, goal) in ways {
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for models in CRATES {
            compile(folder.path(), arguments, models)?;
        }
        for _ in 0..runs {
            for (models, times) in CRATES.into_iter().zip(&mut times) {
                // Cargo compiles a crate again if a file is newer than the last result.
                write_types(folder.path(), models)?;
                times.push(compile(folder.path(), arguments, models)?);
            }
        }
        let [serde, json, entity] = times.map(|times| median(&times).processor);
        let against = |peer: Duration| format!("{:.2} ×", entity.as_secs_f64() / peer.as_secs_f64());
        let peers = format!("{} ({})", seconds(serde), seconds(json));
        table.row(name, &seconds(entity), &peers, &format!("{} ({})", against(serde), against(json)), goal);
    }
    Ok(())
}

/// Compiles one crate whose dependencies are compiled already.
fn compile(folder: &Path, arguments: &[&str], models: Models) -> Result<Measured> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let package = format!("models-{}", models.name());
    let mut command = Command::new(cargo);
    command.args(arguments).args(["--quiet", "--package", &package]).current_dir(folder);
    // Incremental results of an earlier run would hide the work.
    command.env("CARGO_INCREMENTAL", "0").env_remove("CARGO_TARGET_DIR");
    Ok(run(&mut command)?.1)
}

impl Models {
    fn name(self) -> &'static str {
        match self {
            Self::Serde => "serde",
            Self::Json => "json",
            Self::Entity => "entity",
        }
    }

    fn dependencies(self, root: &Path) -> String {
        match self {
            Self::Serde => String::new(),
            Self::Json => "serde_json = \"1\"\n".to_owned(),
            Self::Entity => {
                format!("koan-backup-entity = {{ path = {:?} }}\n", root.join("koan-backup/entity"))
            }
        }
    }

    fn source(self) -> String {
        let mut source = "use serde::{Deserialize, Serialize};\n".to_owned();
        if self == Self::Entity {
            source.push_str("koan_backup_entity::entity_backup_scope!(mode = All);\n");
        }
        let derive = if self == Self::Entity { ", koan_backup_entity::Entity" } else { "" };
        for index in 0..TYPES {
            let _ = write!(
                source,
                "#[derive(Serialize, Deserialize{derive})]\npub struct E{index} {{ pub id: i64, pub name: String, \
                 pub email: Option<String>, pub active: bool, pub price: f64, pub rank: u32, pub tags: Vec<String>, \
                 pub parent: Option<i64>, pub weight: Option<f64>, pub count: i32, pub note: String, \
                 pub visits: u64 }}\n"
            );
        }
        if self == Self::Json {
            source.push_str("pub type Codec = (fn(&[u8]) -> bool, fn(&[u8]) -> Vec<u8>);\npub static CODECS: &[Codec] = &[\n");
            for index in 0..TYPES {
                let _ = writeln!(
                    source,
                    "(|line| serde_json::from_slice::<E{index}>(line).is_ok(), |line| serde_json::from_slice::<E{index}>(line).and_then(|value| serde_json::to_vec(&value)).unwrap_or_default()),"
                );
            }
            source.push_str("];\n");
        }
        source
    }
}

/// Writes a workspace with one crate for each kind of models.
fn write_workspace(folder: &Path) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let members: Vec<_> = CRATES.into_iter().map(Models::name).collect();
    std::fs::write(
        folder.join("Cargo.toml"),
        format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n"),
    )?;
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    for models in CRATES {
        std::fs::create_dir_all(source_file(folder, models).with_file_name(""))?;
        let manifest = format!(
            "[package]\nname = \"models-{}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\nserde = {{ version = \"1\", features = [\"derive\"] }}\n{}",
            models.name(),
            models.dependencies(&root)
        );
        std::fs::write(folder.join(models.name()).join("Cargo.toml"), manifest)?;
        write_types(folder, models)?;
    }
    Ok(())
}

fn write_types(folder: &Path, models: Models) -> Result<()> {
    Ok(std::fs::write(source_file(folder, models), models.source())?)
}

fn source_file(folder: &Path, models: Models) -> PathBuf {
    folder.join(models.name()).join("src/lib.rs")
}
