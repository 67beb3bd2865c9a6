//! The profile itself, for who follows one of its addresses.

use serde_json::{Value, json};

use crate::{Layer, OnWithdrawal, Purpose, Recipients, State};

/// Words that policies about text need and that terms cannot say: name, kind, English, Dutch. They are defined here so
/// that everybody means the same by them; where one comes in with a policy, a person reads it.
pub const FOR_PEOPLE: [(&str, &str, &str, &str); 6] = [
    (
        "displaySnippet",
        "odrl:Action",
        "show a short passage of the text",
        "een kort stuk van de tekst tonen",
    ),
    (
        "generateInStyle",
        "odrl:Action",
        "have a model write in the style of the author",
        "een model laten schrijven in de stijl van de maker",
    ),
    (
        "reidentify",
        "odrl:Action",
        "find out whom data without names are about",
        "nagaan over wie data zonder namen gaan",
    ),
    (
        "testExtraction",
        "odrl:Action",
        "test that a model does not give out the text word for word",
        "toetsen dat een model de tekst niet woordelijk weergeeft",
    ),
    (
        "actorClass",
        "odrl:LeftOperand",
        "what kind of organisation uses it, such as a public body or a small company",
        "wat voor organisatie het gebruikt, zoals een overheid of een klein bedrijf",
    ),
    (
        "modality",
        "odrl:LeftOperand",
        "what a model takes in or makes: text, image or sound",
        "wat een model verwerkt of maakt: tekst, beeld of geluid",
    ),
];

/// The terms of the profile at `namespace` as JSON-LD: what each is, and what it means in Dutch and English.
#[must_use]
pub fn profile(namespace: &str) -> Value {
    let mut terms = Vec::new();
    let mut add = |name: &str, kind: &str, en: &str, nl: &str| {
        let mut term = json!({
            "@id": format!("{namespace}{name}"),
            "@type": ["skos:Concept", kind],
            "skos:prefLabel": [{ "@value": en, "@language": "en" }, { "@value": nl, "@language": "nl" }],
            "rdfs:isDefinedBy": { "@id": namespace.trim_end_matches('#') },
        });
        if kind == "odrl:Action" {
            term["odrl:includedIn"] = json!({ "@id": "odrl:use" });
        }
        terms.push(term);
    };
    for purpose in Purpose::ALL {
        let (en, nl) = match purpose {
            Purpose::Pretraining => (
                "train a language model from scratch",
                "een taalmodel vanaf het begin trainen",
            ),
            Purpose::ContinuedPretraining => (
                "train a language model further",
                "een taalmodel verder trainen",
            ),
            Purpose::FineTuning => ("fine-tune a language model", "een taalmodel finetunen"),
            Purpose::Evaluation => ("evaluate a language model", "een taalmodel evalueren"),
            Purpose::SafetyTesting => (
                "test the safety of a language model",
                "de veiligheid van een taalmodel testen",
            ),
            Purpose::SyntheticDerivation => {
                ("derive synthetic text", "synthetische tekst afleiden")
            }
            Purpose::RedistributeCurated => {
                ("pass on an edited version", "een bewerkte versie doorgeven")
            }
            // Standard ODRL: `odrl:index` and `odrl:distribute`.
            Purpose::RetrievalIndex | Purpose::RedistributeOriginal => continue,
        };
        add(purpose.name(), "odrl:Action", en, nl);
    }
    for models in OnWithdrawal::ALL {
        let (name, en, nl) = match models {
            OnWithdrawal::Keep => (
                "keepModels",
                "keep models that exist",
                "bestaande modellen houden",
            ),
            OnWithdrawal::Retrain => (
                "retrainModels",
                "use models no more until it is decided whether they are trained again without the data",
                "modellen niet meer gebruiken tot besloten is of ze opnieuw worden getraind zonder de data",
            ),
            OnWithdrawal::Retire => (
                "retireModels",
                "take models out of service",
                "modellen uit gebruik nemen",
            ),
        };
        add(name, "odrl:Action", en, nl);
    }
    for circle in Recipients::ALL {
        let (en, nl) = match circle {
            Recipients::Consortium => ("partners of the consortium", "partners van het consortium"),
            Recipients::ResearchLicensees => (
                "holders of a research licence",
                "houders van een onderzoekslicentie",
            ),
            Recipients::ProfessionalLicensees => (
                "holders of a professional licence",
                "houders van een professionele licentie",
            ),
            Recipients::Public => ("everybody", "iedereen"),
        };
        add(circle.name(), "odrl:RightOperand", en, nl);
    }
    for layer in Layer::ALL {
        let (en, nl) = match layer {
            Layer::Copyright => ("copyright", "auteursrecht"),
            Layer::PersonalData => ("personal data", "persoonsgegevens"),
            Layer::Confidentiality => ("confidentiality", "vertrouwelijkheid"),
        };
        add(layer.name(), "skos:Concept", en, nl);
    }
    for state in State::ALL {
        let (en, nl) = match state {
            State::Given => ("given", "gegeven"),
            State::Renewed => ("renewed", "vernieuwd"),
            State::Withdrawn => ("withdrawn by who gave it", "ingetrokken door wie haar gaf"),
            State::Revoked => ("revoked by the platform", "ingetrokken door het platform"),
            State::Refused => ("refused", "geweigerd"),
        };
        add(state.name(), "skos:Concept", en, nl);
    }
    for (name, kind, en, nl) in [
        (
            "state",
            "rdf:Property",
            "how the permission stands",
            "hoe het met de toestemming staat",
        ),
        (
            "commercialUse",
            "odrl:RightOperand",
            "use for profit",
            "gebruik met winstoogmerk",
        ),
        (
            "nonCommercialUse",
            "odrl:RightOperand",
            "use that is not for profit",
            "gebruik zonder winstoogmerk",
        ),
        (
            "withdrawal",
            "odrl:RightOperand",
            "the permission is withdrawn",
            "de toestemming wordt ingetrokken",
        ),
        (
            "processingLocation",
            "odrl:LeftOperand",
            "where the data are processed",
            "waar de data verwerkt wordt",
        ),
        (
            "text",
            "rdf:Property",
            "the words of an attribution",
            "de tekst van een naamsvermelding",
        ),
        (
            "layer",
            "rdf:Property",
            "which question the policy answers",
            "welke vraag het beleid beantwoordt",
        ),
        (
            "ruleSet",
            "rdf:Property",
            "version of the rules that read the policy",
            "versie van de regels die het beleid lezen",
        ),
        (
            "evidence",
            "rdf:Property",
            "what proves the policy",
            "waaruit het beleid blijkt",
        ),
        (
            "note",
            "rdf:Property",
            "evidence in words",
            "bewijs in woorden",
        ),
        (
            "documentSha256",
            "rdf:Property",
            "SHA-256 of the signed document",
            "SHA-256 van het ondertekende document",
        ),
        (
            "needsHuman",
            "rdf:Property",
            "a term that could not be coded; the answer is no",
            "een voorwaarde die niet gecodeerd kon worden; het antwoord is nee",
        ),
    ] {
        add(name, kind, en, nl);
    }
    for (name, kind, en, nl) in FOR_PEOPLE {
        add(name, kind, en, nl);
    }
    json!({
        "@context": {
            "odrl": super::ODRL,
            "skos": "http://www.w3.org/2004/02/skos/core#",
            "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
            "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
        },
        "@id": namespace.trim_end_matches('#'),
        "@type": "skos:ConceptScheme",
        "skos:prefLabel": [
            { "@value": "Permission for text in language models", "@language": "en" },
            { "@value": "Toestemming voor tekst in taalmodellen", "@language": "nl" },
        ],
        "@graph": terms,
    })
}
