//! Every export as it is written down in `tests/golden`.

use std::{fs, path::Path};

use permission_policy::odrl::{self, Kind};
use serde_json::Value;

use super::{NAMESPACE, duo, envelope, full};
use crate::support::terms;

/// Compares with the file; `UPDATE_GOLDEN=1` writes it, for who wants to read the difference.
fn golden(name: &str, found: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    let found = format!("{found:#}\n");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert_eq!(found, expected, "{name}");
}

#[test]
fn exports_are_as_they_were() {
    golden(
        "terms.json",
        &serde_json::from_str(&full().canonical().unwrap()).unwrap(),
    );
    for kind in Kind::ALL {
        golden(
            &format!("odrl-{kind}.jsonld"),
            &odrl::export(&full(), &envelope(*kind)),
        );
    }
    golden(
        "odrl-plain.jsonld",
        &odrl::export(&terms(), &envelope(Kind::Offer)),
    );
    golden("duo.json", &serde_json::to_value(duo(&full())).unwrap());
    golden(
        "duo-plain.json",
        &serde_json::to_value(duo(&terms())).unwrap(),
    );
    golden("profile.jsonld", &odrl::profile(NAMESPACE));
}
