//! Rebuilds when a migration, a text or a static file is added.
fn main() {
    for folder in ["migrations", "locales", "static"] {
        println!("cargo:rerun-if-changed={folder}");
    }
}
