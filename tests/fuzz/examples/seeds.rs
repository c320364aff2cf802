//! Creates the backups in `base/` and the seeds in `corpus/`: `cargo run --example seeds`.
//!
//! Run the example only after a change of the format, because each run creates backups with new ids and
//! times.

use std::fs;
use std::path::Path;

use koan_backup_fuzz::shop::{Method, create_base};

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for target in ["archive", "manifest", "codec"] {
        fs::create_dir_all(root.join("corpus").join(target))?;
    }
    fs::create_dir_all(root.join("base"))?;
    let seed = |target: &str, name: &str, kind: u8, content: &[u8]| {
        fs::write(root.join("corpus").join(target).join(name), [&[kind], content].concat())
    };
    let methods = [("deflate", Method::Deflate), ("zstd", Method::Zstd), ("stored", Method::Stored)];
    for ((name, method), kind) in methods.into_iter().zip(0..) {
        let stored = create_base(method);
        fs::write(root.join(format!("base/{name}.json")), &stored.manifest)?;
        fs::write(root.join(format!("base/{name}.zip")), &stored.archive)?;
        seed("archive", name, kind, &stored.archive)?;
        if method == Method::Deflate {
            seed("manifest", "published", 0, &stored.manifest)?;
        }
    }
    // The first byte selects which hashes are recomputed after the alterations, and the other bytes are the
    // alterations. The fuzzer finds further inputs.
    for (name, recomputed) in [("uncovered", 0), ("resigned", 1), ("sealed", 2), ("forged", 3)] {
        let alterations: Vec<u8> =
            [recomputed, 0, 0, 0].into_iter().chain((0..96u8).map(|n| n.wrapping_mul(37))).collect();
        seed("archive", name, 3, &alterations)?;
        seed("manifest", name, 1, &alterations)?;
    }
    let lines = [
        (
            "numbers",
            r#"{"id":-1,"small":-8,"medium":65535,"unsigned":18446744073709551615,"huge":-170141183460469231731687303715884105728,"single":0.1,"double":5e-324,"price":"0.10"}"#,
        ),
        (
            "texts",
            r#"{"id":1,"letter":"\ud83d\ude00","text":"'\n\u0000\u202e\"","maybe":null,"renamed":"kept","list":["","b"],"uuid":"01234567-89ab-cdef-0123-456789abcdef"}"#,
        ),
        (
            "times",
            r#"{"id":1,"instant":"2024-02-29T23:59:59.000000001Z","local_instant":"2024-01-01T00:00:00+05:30","naive":"2024-01-01T00:00:00.5","date":"2024-02-29","time_of_day":"23:59:59.999999999","millis":1700000000123,"rfc":"1969-12-31T23:59:59Z"}"#,
        ),
        (
            "parts",
            r#"{"id":1,"status":{"Closed":{"reason":"gone"}},"shape":{"kind":"circle","radius":0.1},"untagged":[1,2],"address":{"street":"x","zip":null},"map":{"b":1,"a":2},"tree":{"3":true},"json":{"b":[1,2.5,null]},"nested":[[1.5,null]],"bytes":[0,255],"blob":[1],"fixed":[1,2,3,4]}"#,
        ),
    ];
    for (name, line) in lines {
        seed("codec", name, 0, line.as_bytes())?;
    }
    seed("codec", "open", 1, br#"{"tenant":"a","number":7,"more":{"x":[1,"y"]},"again":null}"#)?;
    seed("codec", "variant", 2, br#"{"kind":"Closed","id":1,"at":"2024-01-01T00:00:00Z","cost":0.5}"#)?;
    let row: Vec<u8> = (0..=255).collect();
    for (name, kind) in [("fields", 3), ("row", 6), ("row_open", 7), ("row_variant", 8)] {
        seed("codec", name, kind, &row)?;
    }
    Ok(())
}
