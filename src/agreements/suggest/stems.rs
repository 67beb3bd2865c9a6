//! The words that contracts use for each term.

use super::super::term::Term;

/// Words that contracts use for a term. A stem finds what begins with it.
pub(super) fn stems(term: Term) -> &'static [&'static str] {
    match term {
        Term::Purposes => &[
            "train",
            "finetun",
            "fine-tun",
            "evalu",
            "doel",
            "purpose",
            "gebruik",
            "taalmodel",
            "language model",
        ],
        Term::Prohibited => &[
            "niet toegestaan",
            "verbod",
            "verboden",
            "mag niet",
            "mogen niet",
            "uitgesloten",
            "shall not",
            "may not",
            "prohibit",
            "exclud",
        ],
        Term::Recipients => &[
            "gewichten",
            "weights",
            "consortium",
            "licentienemer",
            "licensee",
            "derden",
            "third part",
            "verstrek",
        ],
        Term::CommercialUse => &[
            "commerci",
            "winst",
            "profit",
            "non-commercial",
            "niet-commercieel",
        ],
        Term::Territories => &[
            "grondgebied",
            "territor",
            "wereldwijd",
            "worldwide",
            "europese unie",
            "european union",
            "nederland",
        ],
        Term::ProcessingLocations => &[
            "verwerkt binnen",
            "verwerking binnen",
            "opslag",
            "opgeslagen",
            "stored",
            "processed in",
            "datacent",
            "data cent",
            "buiten de e",
            "outside the e",
            "eer",
            "eea",
        ],
        Term::ModelFamilies => &[
            "gpt-nl",
            "modelfamilie",
            "model family",
            "modellen",
            "models",
        ],
        Term::ValidFrom => &[
            "ingang",
            "treedt in werking",
            "vanaf",
            "effective",
            "commenc",
            "enters into force",
            "with effect from",
        ],
        Term::ValidUntil => &[
            "tot en met",
            "eindigt",
            "einddatum",
            "looptijd",
            "expire",
            "until",
            "terminat",
            "term of",
        ],
        Term::Attribution => &[
            "naamsvermelding",
            "bronvermelding",
            "vermelding van",
            "vermeldt",
            "attribution",
            "credit",
            "acknowledg",
        ],
        Term::ReportUse => &[
            "rapport",
            "verslag",
            "verantwoord",
            "report",
            "inform",
            "melden",
        ],
        Term::Compensate => &[
            "vergoeding",
            "opbrengst",
            "betal",
            "compensat",
            "revenue",
            "remunerat",
            "royalt",
            "fee",
        ],
        Term::DeleteWithinDays => &[
            "wissen",
            "verwijder",
            "gewist",
            "vernietig",
            "delete",
            "deletion",
            "erase",
            "destroy",
        ],
        Term::OnWithdrawal => &[
            "intrekking",
            "intrekt",
            "ingetrokken",
            "intrekken",
            "opzegging",
            "beëindiging",
            "withdraw",
            "termination",
            "revok",
        ],
    }
}

/// Whether `stem` stands in `text` at the beginning of a word.
pub(super) fn begins_a_word(text: &str, stem: &str) -> bool {
    text.match_indices(stem).any(|(at, _)| {
        text.get(..at)
            .and_then(|before| before.chars().next_back())
            .is_none_or(|c| !c.is_alphanumeric())
    })
}
