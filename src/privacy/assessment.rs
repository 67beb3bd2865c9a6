//! What a privacy assessment says.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    ground::{Basis, CriminalBasis, Special, SpecialBasis, words},
    measure::{Recall, recall},
};
use crate::{
    error::Say,
    permissions::Article9,
    web::{FieldErrors, Text},
};

words! {
    /// What it comes to.
    Outcome {
        /// The data may be used as they are.
        Acceptable = "acceptable",
        /// The data may be used with the measures that are described.
        WithMeasures = "acceptable_with_measures",
        /// The data may not be used.
        NotAcceptable = "not_acceptable",
    }
}

/// How the masking was tried: in so many documents, so much was found and so much missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurement {
    /// Documents that people looked at.
    pub documents: u32,
    /// Personal data in them that the method found.
    pub found: u32,
    /// Personal data in them that it missed.
    pub missed: u32,
}

impl Measurement {
    /// What share is found, with its interval.
    #[must_use]
    pub fn recall(&self) -> Option<Recall> {
        recall(self.found, self.missed)
    }
}

/// One assessment. Written as JSON with the fields in this order: the text that is hashed and signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assessment {
    /// Version of this form.
    pub form: u32,
    /// Article 6(1), one or more; sorted.
    pub bases: Vec<Basis>,
    /// Why that basis holds.
    pub basis_explained: String,
    /// Special categories in the data; sorted, empty for none.
    pub special: Vec<Special>,
    /// Article 9(2), where there are any.
    pub special_basis: Option<SpecialBasis>,
    /// Article 10, where there are criminal data; texts of form 1 never say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub criminal_basis: Option<CriminalBasis>,
    /// Whose data they are.
    pub persons: String,
    /// What kinds of data.
    pub data: String,
    /// Where the data protection impact assessment is, or why there is none.
    pub dpia: String,
    /// How the data are masked; empty where they are not.
    pub method: String,
    /// How well that works.
    pub measurement: Option<Measurement>,
    /// What risk is left.
    pub risk: String,
    /// What it comes to.
    pub result: Outcome,
}

/// The form as it was typed or sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RawAssessment {
    pub bases: Vec<String>,
    pub basis_explained: String,
    pub special: Vec<String>,
    pub special_basis: String,
    pub criminal_basis: String,
    pub persons: String,
    pub data: String,
    pub dpia: String,
    pub method: String,
    pub documents: String,
    pub found: String,
    pub missed: String,
    pub risk: String,
    pub result: String,
}

const FORM: u32 = 2;
const MOST: i64 = 1_000_000_000;

impl Assessment {
    /// Checks what was typed.
    ///
    /// # Errors
    /// Everything that is wrong, by field.
    pub fn parse(raw: &RawAssessment) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let long = |least| Text { least, most: 4000 };
        let bases = several(&raw.bases, Basis::parse);
        if bases.as_ref().is_none_or(Vec::is_empty) {
            errors.add("bases", Say::new("field-choice"));
        }
        let basis_explained = errors.text("basis_explained", &raw.basis_explained, long(1));
        let special = several(&raw.special, Special::parse);
        if special.is_none() {
            errors.add("special", Say::new("field-choice"));
        }
        let special = special.unwrap_or_default();
        let special_basis = SpecialBasis::parse(&raw.special_basis);
        let is_special = special.iter().any(|one| one.is_of_article_9());
        match (is_special, special_basis) {
            (true, None) => {
                errors.add("special_basis", Say::new("assessment-special-needs-basis"));
            }
            (false, Some(_)) => {
                errors.add("special_basis", Say::new("assessment-basis-for-nothing"));
            }
            _ => {}
        }
        let criminal_basis = CriminalBasis::parse(&raw.criminal_basis);
        match (special.contains(&Special::Criminal), criminal_basis) {
            (true, None) => {
                errors.add(
                    "criminal_basis",
                    Say::new("assessment-criminal-needs-basis"),
                );
            }
            (false, Some(_)) => {
                errors.add("criminal_basis", Say::new("assessment-basis-for-nothing"));
            }
            _ => {}
        }
        let persons = errors.text("persons", &raw.persons, long(1));
        let data = errors.text("data", &raw.data, long(1));
        let dpia = errors.text("dpia", &raw.dpia, long(1));
        let method = errors.text("method", &raw.method, long(0));
        let measurement = measured(&mut errors, raw);
        if method.is_empty() && measurement.is_some() {
            errors.add("method", Say::new("assessment-measured-what"));
        }
        // How well masking works is measured, not believed.
        if !method.is_empty() && measurement.is_none() {
            errors.add("found", Say::new("assessment-measure-it"));
        }
        let risk = errors.text("risk", &raw.risk, long(1));
        let result = errors.choice("result", Outcome::parse(&raw.result));
        if method.is_empty()
            && result == Some(Outcome::WithMeasures)
            && errors.of("method").is_none()
        {
            errors.add("method", Say::new("assessment-which-measures"));
        }
        errors.into_result(Self {
            form: FORM,
            bases: bases.unwrap_or_default(),
            basis_explained,
            special,
            special_basis,
            criminal_basis,
            persons,
            data,
            dpia,
            method,
            measurement,
            risk,
            result: result.unwrap_or(Outcome::NotAcceptable),
        })
    }

    /// Whether the rules want an exception: for special categories, and for criminal data that have no ground of
    /// their own.
    #[must_use]
    pub fn needs_exception(&self) -> bool {
        self.special.iter().any(|one| one.is_of_article_9()) || self.lacks_criminal_basis()
    }

    /// The exception that the rules take.
    #[must_use]
    pub fn exception(&self) -> Option<Article9> {
        if self.lacks_criminal_basis() {
            return None;
        }
        self.special_basis.map(SpecialBasis::article)
    }

    fn lacks_criminal_basis(&self) -> bool {
        self.special.contains(&Special::Criminal) && self.criminal_basis.is_none()
    }

    /// The canonical text: what is stored, hashed and signed.
    ///
    /// # Errors
    /// Never in practice: all of it can be written as JSON.
    pub fn canonical(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// As it stands in the form.
    #[must_use]
    pub fn to_raw(&self) -> RawAssessment {
        let count = |of: fn(&Measurement) -> u32| {
            self.measurement
                .as_ref()
                .map_or_else(String::new, |one| of(one).to_string())
        };
        RawAssessment {
            bases: self.bases.iter().map(|one| one.name().to_owned()).collect(),
            basis_explained: self.basis_explained.clone(),
            special: self
                .special
                .iter()
                .map(|one| one.name().to_owned())
                .collect(),
            special_basis: self
                .special_basis
                .map_or_else(String::new, |one| one.name().to_owned()),
            criminal_basis: self
                .criminal_basis
                .map_or_else(String::new, |one| one.name().to_owned()),
            persons: self.persons.clone(),
            data: self.data.clone(),
            dpia: self.dpia.clone(),
            method: self.method.clone(),
            documents: count(|one| one.documents),
            found: count(|one| one.found),
            missed: count(|one| one.missed),
            risk: self.risk.clone(),
            result: self.result.name().to_owned(),
        }
    }
}

/// SHA-256 of a text, in hexadecimal.
#[must_use]
pub(super) fn sha256_hex(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// The words that were ticked, sorted and without doubles; none where one is not known.
fn several<T: Ord>(raw: &[String], parse: fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let mut found = raw
        .iter()
        .map(|word| parse(word))
        .collect::<Option<Vec<T>>>()?;
    found.sort_unstable();
    found.dedup();
    Some(found)
}

/// The three numbers, all or none of them.
fn measured(errors: &mut FieldErrors, raw: &RawAssessment) -> Option<Measurement> {
    if [&raw.documents, &raw.found, &raw.missed]
        .iter()
        .all(|text| text.trim().is_empty())
    {
        return None;
    }
    let mut number = |field, text: &str, least| {
        u32::try_from(errors.number(field, text, least, MOST)).unwrap_or(u32::MAX)
    };
    let documents = number("documents", &raw.documents, 1);
    let found = number("found", &raw.found, 0);
    let missed = number("missed", &raw.missed, 0);
    if errors.of("found").is_none() && errors.of("missed").is_none() && found == 0 && missed == 0 {
        errors.add("found", Say::new("assessment-nothing-to-find"));
    }
    Some(Measurement {
        documents,
        found,
        missed,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn raw() -> RawAssessment {
        RawAssessment {
            bases: vec!["e".into()],
            basis_explained: "Archiefwet, taak van het archief".into(),
            persons: "Raadsleden en insprekers".into(),
            data: "Namen, functies, standpunten".into(),
            dpia: "DPIA 2026-14".into(),
            risk: "Namen van insprekers kunnen terugkomen".into(),
            result: "acceptable".into(),
            ..RawAssessment::default()
        }
    }

    #[test]
    fn what_was_typed_comes_back_as_typed() {
        let typed = RawAssessment {
            special: vec!["politics".into()],
            special_basis: "j".into(),
            method: "lijst met namen".into(),
            documents: "200".into(),
            found: "481".into(),
            missed: "19".into(),
            ..raw()
        };
        let one = Assessment::parse(&typed).unwrap();
        assert_eq!(Assessment::parse(&one.to_raw()), Ok(one.clone()));
        let text = one.canonical().unwrap();
        assert_eq!(serde_json::from_str::<Assessment>(&text).unwrap(), one);
        assert!((one.measurement.unwrap().recall().unwrap().share - 0.962).abs() < 1e-9);
    }

    #[test]
    fn everything_that_is_missing_is_named_at_once() {
        let errors = Assessment::parse(&RawAssessment::default()).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|(field, _)| *field).collect();
        assert_eq!(
            fields,
            [
                "bases",
                "basis_explained",
                "persons",
                "data",
                "dpia",
                "risk",
                "result"
            ]
        );
    }

    #[test]
    fn special_categories_need_a_basis_of_their_own() {
        let wrong = RawAssessment {
            special: vec!["health".into()],
            ..raw()
        };
        let errors = Assessment::parse(&wrong).unwrap_err();
        assert!(errors.of("special_basis").is_some());
        let wrong = RawAssessment {
            special_basis: "j".into(),
            ..raw()
        };
        assert!(
            Assessment::parse(&wrong)
                .unwrap_err()
                .of("special_basis")
                .is_some()
        );
    }

    #[test]
    fn criminal_data_need_a_ground_of_article_10_and_no_other() {
        let typed = |special: &[&str], special_basis: &str, criminal_basis: &str| RawAssessment {
            special: special.iter().map(|one| (*one).to_owned()).collect(),
            special_basis: special_basis.into(),
            criminal_basis: criminal_basis.into(),
            ..raw()
        };
        let wrong = |raw: &RawAssessment| {
            let errors = Assessment::parse(raw).err().unwrap_or_default();
            errors.iter().map(|(field, _)| *field).collect::<Vec<_>>()
        };
        assert_eq!(
            wrong(&typed(&["criminal"], "j", "")),
            ["special_basis", "criminal_basis"]
        );
        assert_eq!(
            wrong(&typed(&["criminal", "health"], "j", "")),
            ["criminal_basis"]
        );
        assert_eq!(wrong(&typed(&["health"], "j", "32f")), ["criminal_basis"]);
        assert_eq!(
            wrong(&typed(&["criminal", "health"], "", "32f")),
            ["special_basis"]
        );
        assert_eq!(wrong(&typed(&["criminal"], "", "32f")), Vec::<&str>::new());
        assert_eq!(
            wrong(&typed(&["criminal", "health"], "j", "32f")),
            Vec::<&str>::new()
        );
    }

    #[test]
    fn measures_that_make_it_acceptable_are_described() {
        let mut typed = RawAssessment {
            result: "acceptable_with_measures".into(),
            ..raw()
        };
        let errors = Assessment::parse(&typed).unwrap_err();
        assert!(errors.of("method").is_some());
        typed.method = "namen vervangen".into();
        let errors = Assessment::parse(&typed).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|(field, _)| *field).collect();
        assert_eq!(fields, ["found"], "a method is measured");
        (typed.documents, typed.found, typed.missed) = ("50".into(), "40".into(), "2".into());
        assert!(Assessment::parse(&typed).is_ok());
    }

    #[test]
    fn a_text_of_the_first_form_keeps_its_hash() {
        let text = r#"{"form":1,"bases":["e"],"basis_explained":"x","special":["criminal"],"special_basis":"j","persons":"x","data":"x","dpia":"x","method":"","measurement":null,"risk":"x","result":"acceptable"}"#;
        let read: Assessment = serde_json::from_str(text).unwrap();
        assert_eq!(read.canonical().unwrap(), text);
    }

    #[test]
    fn a_measurement_is_whole_and_of_something() {
        for (documents, found, missed, field) in [
            ("10", "", "1", "found"),
            ("10", "0", "0", "found"),
            ("", "5", "1", "documents"),
            ("10", "5", "1", "method"),
        ] {
            let wrong = RawAssessment {
                documents: documents.into(),
                found: found.into(),
                missed: missed.into(),
                ..raw()
            };
            let errors = Assessment::parse(&wrong).unwrap_err();
            assert!(errors.of(field).is_some(), "{field}: {errors:?}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_ticks_changes_no_hash(mut ticks in prop::collection::vec(prop::sample::select(vec!["a", "c", "e", "f"]), 1..6)) {
            let typed = |ticks: &[&str]| RawAssessment {
                bases: ticks.iter().map(|tick| (*tick).to_owned()).collect(),
                ..raw()
            };
            let one = Assessment::parse(&typed(&ticks)).unwrap().canonical().unwrap();
            ticks.reverse();
            let other = Assessment::parse(&typed(&ticks)).unwrap().canonical().unwrap();
            prop_assert_eq!(sha256_hex(&one), sha256_hex(&other));
        }
    }
}
