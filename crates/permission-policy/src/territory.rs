//! Places: where a result is used, and where data is processed.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A country, or a group of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Territory {
    /// An ISO 3166-1 alpha-2 code; only [`FromStr`] makes one, so it is in [`COUNTRIES`].
    Country(Country),
    /// The member states of the European Union.
    Eu,
    /// Those, Iceland, Liechtenstein and Norway.
    Eea,
    /// Everywhere.
    World,
}

/// The code of a country that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// Text that names no territory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no country by ISO 3166-1, nor EU, EEA or world")]
pub struct UnknownTerritory(String);

/// The countries of ISO 3166-1, by their alpha-2 codes.
pub const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN \
BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH \
ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM \
IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG \
MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM \
PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH \
TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// The member states of the European Union since 1 February 2020.
const EU: [&[u8; 2]; 27] = [
    b"AT", b"BE", b"BG", b"CY", b"CZ", b"DE", b"DK", b"EE", b"ES", b"FI", b"FR", b"GR", b"HR",
    b"HU", b"IE", b"IT", b"LT", b"LU", b"LV", b"MT", b"NL", b"PL", b"PT", b"RO", b"SE", b"SI",
    b"SK",
];

/// What the European Economic Area adds to them.
const EFTA: [&[u8; 2]; 3] = [b"IS", b"LI", b"NO"];

impl Territory {
    /// The Netherlands.
    pub const NETHERLANDS: Self = Self::Country(Country(*b"NL"));
}

impl Country {
    fn is_eu(self) -> bool {
        EU.contains(&&self.0)
    }

    fn is_eea(self) -> bool {
        self.is_eu() || EFTA.contains(&&self.0)
    }
}

/// Whether `wanted` lies wholly within `allowed`; an empty list means anywhere.
#[must_use]
pub fn covers(allowed: &[Territory], wanted: Territory) -> bool {
    if allowed.is_empty() || allowed.contains(&Territory::World) {
        return true;
    }
    let all = |codes: &[&[u8; 2]]| codes.iter().all(|code| holds(allowed, Country(**code)));
    match wanted {
        Territory::Country(country) => holds(allowed, country),
        Territory::Eu => all(&EU),
        Territory::Eea => all(&EU) && all(&EFTA),
        Territory::World => false,
    }
}

fn holds(allowed: &[Territory], country: Country) -> bool {
    allowed.iter().any(|one| match one {
        Territory::Country(other) => *other == country,
        Territory::Eu => country.is_eu(),
        Territory::Eea => country.is_eea(),
        Territory::World => true,
    })
}

impl fmt::Display for Territory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Country(country) => country
                .0
                .iter()
                .try_for_each(|letter| write!(f, "{}", char::from(*letter))),
            Self::Eu => f.write_str("EU"),
            Self::Eea => f.write_str("EEA"),
            Self::World => f.write_str("world"),
        }
    }
}

impl FromStr for Territory {
    type Err = UnknownTerritory;

    fn from_str(text: &str) -> Result<Self, UnknownTerritory> {
        match text {
            "EU" => Ok(Self::Eu),
            "EEA" => Ok(Self::Eea),
            "world" => Ok(Self::World),
            _ => COUNTRIES
                .split(' ')
                .find(|code| *code == text)
                .and_then(|code| code.as_bytes().try_into().ok())
                .map(|code| Self::Country(Country(code)))
                .ok_or_else(|| UnknownTerritory(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Territory {
    type Error = UnknownTerritory;

    fn try_from(text: String) -> Result<Self, UnknownTerritory> {
        text.parse()
    }
}

impl From<Territory> for String {
    fn from(territory: Territory) -> Self {
        territory.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Territory> {
        text.split_whitespace()
            .map(|one| one.parse().unwrap())
            .collect()
    }

    fn is_covered(allowed: &str, wanted: &str) -> bool {
        covers(&list(allowed), wanted.parse().unwrap())
    }

    #[test]
    fn there_are_249_countries_each_read_as_it_is_written() {
        let codes: Vec<_> = COUNTRIES.split(' ').collect();
        assert_eq!(codes.len(), 249);
        for code in codes.iter().chain(&["EU", "EEA", "world"]) {
            assert_eq!(code.parse::<Territory>().unwrap().to_string(), *code);
        }
        assert!(codes.is_sorted(), "each country stands there once");
    }

    #[test]
    fn words_that_are_no_place_are_refused() {
        for text in ["", "nl", "UK", "XX", "Europe", "WORLD", "NLD"] {
            let problem = text.parse::<Territory>().unwrap_err().to_string();
            assert!(problem.contains(&format!("{text:?}")), "{problem}");
        }
    }

    #[test]
    fn an_empty_list_means_anywhere() {
        for wanted in ["NL", "US", "EU", "EEA", "world"] {
            assert!(is_covered("", wanted), "{wanted}");
            assert!(is_covered("world", wanted), "{wanted}");
        }
    }

    #[test]
    fn groups_hold_their_members_and_nothing_else() {
        assert!(is_covered("EU", "NL") && is_covered("EU", "EU"));
        assert!(!is_covered("EU", "NO") && !is_covered("EU", "EEA") && !is_covered("EU", "GB"));
        assert!(is_covered("EEA", "NO") && is_covered("EEA", "EU") && is_covered("EEA", "EEA"));
        assert!(!is_covered("EEA", "CH") && !is_covered("EEA", "world"));
        assert!(is_covered("NL BE", "BE") && !is_covered("NL BE", "EU"));
    }

    #[test]
    fn countries_together_make_the_group() {
        assert!(is_covered("EU IS LI NO", "EEA"));
        assert!(!is_covered("EU IS LI", "EEA"));
        let members =
            "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK";
        assert!(is_covered(members, "EU"));
        assert!(!is_covered(&members[3..], "EU"), "one is missing");
    }
}
