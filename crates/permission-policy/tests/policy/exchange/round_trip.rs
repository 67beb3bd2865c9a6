//! What is exported comes back, and nothing that is sent brings an import down.

use std::collections::BTreeMap;

use permission_policy::{
    Layer,
    odrl::{self, Kind},
    tdmrep,
};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use serde_json::json;

use super::{US, envelope, graph::graph, of_today, today};

proptest! {
    #[test]
    fn what_odrl_can_say_comes_back_as_it_went(terms in of_today(), kind in 0..3_usize) {
        let exported = odrl::export(&terms, &envelope(Kind::ALL[kind]));
        let imported = odrl::import(&exported, today(), US).unwrap();
        prop_assert_eq!(&imported.terms, &terms.normal());
        prop_assert_eq!(imported.layer, Some(Layer::Copyright));
        prop_assert!(imported.assumed.is_empty(), "{:?}", imported.assumed);
        graph(&exported);
    }

    #[test]
    fn no_json_makes_an_import_panic(text in any::<String>(), left in any::<String>()) {
        for value in [json!(text), json!({ "permission": text }), json!({ "permission": [{ "action": text }] }),
            json!({ "prohibition": { "constraint": [left], &text: left } }), json!([{ "location": text }])] {
            let _ = odrl::import(&value, today(), US);
            let _ = tdmrep::import(&value, &BTreeMap::new(), today(), US);
        }
    }
}
