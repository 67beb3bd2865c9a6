//! What the Commission's template asks of some kinds of sources alone (sections 2.1 and 2.3 to 2.5). Pure.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::public_facts::{RawPublicFacts, month, month_text};
use crate::{
    error::Say,
    web::{FieldErrors, Text},
};

/// Domains that one statement names at most.
const MOST_DOMAINS: usize = 10_000;
/// Characters of all of them together; a form holds 256 KiB.
const MOST_DOMAIN_TEXT: usize = 200_000;
const SHORT: Text = Text {
    least: 0,
    most: 500,
};
const LONG: Text = Text {
    least: 0,
    most: 2000,
};

/// What was stated; what is none or empty was not. Kept whatever the category; documents state what goes with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// 2.1: where anybody can get it.
    pub address: Option<String>,
    /// 2.3.
    pub crawl: Crawl,
    /// 2.4.
    pub users: Users,
    /// 2.5: the models that made it, ours among them.
    pub models: Vec<Maker>,
}

/// How texts were collected from websites.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Crawl {
    /// Names or identifiers of the crawlers, and who runs them; at most 500 characters.
    pub crawlers: String,
    /// What they collect for.
    pub purpose: String,
    /// What they do at robots.txt, captchas and paywalls.
    pub conduct: String,
    /// First days of the months in which they began and ended.
    pub from: Option<NaiveDate>,
    pub until: Option<NaiveDate>,
    /// What kinds of sites.
    pub sites: String,
    /// Of how many domains texts were kept.
    pub domain_count: Option<u32>,
    /// The largest of them by the amount of text, largest first: a tenth at least.
    pub domains: Vec<String>,
}

impl Crawl {
    /// Domains that have to be named: a tenth, rounded up.
    #[must_use]
    pub fn to_name(count: u32) -> usize {
        usize::try_from(count.div_ceil(10)).unwrap_or(usize::MAX)
    }

    /// Whether the largest tenth is named.
    #[must_use]
    pub fn names_largest(&self) -> bool {
        self.domain_count.is_some_and(|count| {
            !self.domains.is_empty() && self.domains.len() >= Self::to_name(count)
        })
    }
}

/// From which users the texts come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Users {
    /// Of the model itself: what they asked it and what it answered.
    pub of_models: Option<bool>,
    /// Of other services and products of the provider.
    pub of_services: Option<bool>,
}

/// A model that texts were made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maker {
    pub name: String,
    /// The page about it.
    pub url: String,
}

/// An address of the web.
fn is_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()))
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}

impl Details {
    /// Checks what was typed; notes in `errors` what is wrong.
    pub(super) fn parse(errors: &mut FieldErrors, raw: &RawPublicFacts) -> Self {
        let address = errors.text("address", &raw.address, SHORT);
        if !address.is_empty() && !is_address(&address) {
            errors.add("address", Say::new("disclosure-address-invalid"));
        }
        Self {
            address: (!address.is_empty()).then_some(address),
            crawl: crawl(errors, raw),
            users: Users {
                of_models: yes_or_no(errors, "users_of_models", &raw.users_of_models),
                of_services: yes_or_no(errors, "users_of_services", &raw.users_of_services),
            },
            models: models(errors, &raw.models),
        }
    }

    /// Fills in its part of the form.
    pub(super) fn fill(&self, raw: &mut RawPublicFacts) {
        let word = |answer: Option<bool>| match answer {
            Some(true) => "yes".to_owned(),
            Some(false) => "no".to_owned(),
            None => String::new(),
        };
        raw.address = self.address.clone().unwrap_or_default();
        raw.crawlers.clone_from(&self.crawl.crawlers);
        raw.crawl_purpose.clone_from(&self.crawl.purpose);
        raw.crawl_conduct.clone_from(&self.crawl.conduct);
        raw.crawl_from = month_text(self.crawl.from);
        raw.crawl_until = month_text(self.crawl.until);
        raw.crawl_sites.clone_from(&self.crawl.sites);
        raw.crawl_domain_count = self
            .crawl
            .domain_count
            .map_or_else(String::new, |count| count.to_string());
        raw.crawl_domains = self.crawl.domains.join("\n");
        raw.users_of_models = word(self.users.of_models);
        raw.users_of_services = word(self.users.of_services);
        raw.models = self
            .models
            .iter()
            .map(|model| format!("{} | {}", model.name, model.url))
            .collect::<Vec<_>>()
            .join("\n");
    }
}

fn yes_or_no(errors: &mut FieldErrors, field: &'static str, raw: &str) -> Option<bool> {
    match raw {
        "" => None,
        "yes" => Some(true),
        "no" => Some(false),
        _ => errors.choice(field, None),
    }
}

fn crawl(errors: &mut FieldErrors, raw: &RawPublicFacts) -> Crawl {
    let from = month(errors, "crawl_from", &raw.crawl_from);
    let until = month(errors, "crawl_until", &raw.crawl_until);
    if from.zip(until).is_some_and(|(from, until)| until < from) {
        errors.add("crawl_until", Say::new("public-facts-period-backwards"));
    }
    let domains = domains(errors, &raw.crawl_domains);
    let domain_count = match raw.crawl_domain_count.trim() {
        "" => None,
        text => {
            let count = errors.number("crawl_domain_count", text, 1, i64::from(u32::MAX));
            u32::try_from(count).ok()
        }
    };
    match domain_count {
        None if !domains.is_empty() => {
            errors.add(
                "crawl_domain_count",
                Say::new("public-facts-domains-uncounted"),
            );
        }
        Some(count) if !domains.is_empty() => {
            let (named, needed) = (domains.len(), Crawl::to_name(count));
            if u64::try_from(named).is_ok_and(|named| named > u64::from(count)) {
                errors.add(
                    "crawl_domain_count",
                    Say::new("public-facts-domains-uncounted"),
                );
            } else if named < needed {
                let say = Say::new("public-facts-domains-few")
                    .with("needed", needed)
                    .with("named", named);
                errors.add("crawl_domains", say);
            }
        }
        _ => {}
    }
    Crawl {
        crawlers: errors.text("crawlers", &raw.crawlers, SHORT),
        purpose: errors.text("crawl_purpose", &raw.crawl_purpose, LONG),
        conduct: errors.text("crawl_conduct", &raw.crawl_conduct, LONG),
        from,
        until,
        sites: errors.text("crawl_sites", &raw.crawl_sites, LONG),
        domain_count,
        domains,
    }
}

/// One a line, each once, in the order given.
fn domains(errors: &mut FieldErrors, raw: &str) -> Vec<String> {
    let bounds = Text {
        least: 0,
        most: MOST_DOMAIN_TEXT,
    };
    let text = errors.text("crawl_domains", raw, bounds);
    let mut seen = std::collections::HashSet::new();
    let mut found = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let domain = line.to_lowercase();
        if !is_domain(&domain) {
            errors.add(
                "crawl_domains",
                Say::new("public-facts-domain-invalid").with("domain", line),
            );
            break;
        }
        if seen.insert(domain.clone()) {
            found.push(domain);
        }
    }
    if found.len() > MOST_DOMAINS {
        errors.add(
            "crawl_domains",
            Say::new("public-facts-domains-many").with("most", MOST_DOMAINS),
        );
    }
    found
}

/// One a line: name, a bar, address.
fn models(errors: &mut FieldErrors, raw: &str) -> Vec<Maker> {
    let bounds = Text {
        least: 0,
        most: 5000,
    };
    let text = errors.text("models", raw, bounds);
    let mut found = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let maker = line.split_once('|').map(|(name, url)| Maker {
            name: name.trim().to_owned(),
            url: url.trim().to_owned(),
        });
        match maker.filter(|maker| !maker.name.is_empty() && is_address(&maker.url)) {
            Some(maker) => found.push(maker),
            None => {
                errors.add(
                    "models",
                    Say::new("public-facts-model-invalid").with("line", line),
                );
                break;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(raw: &RawPublicFacts) -> (Details, FieldErrors) {
        let mut errors = FieldErrors::default();
        let details = Details::parse(&mut errors, raw);
        (details, errors)
    }

    fn full() -> RawPublicFacts {
        RawPublicFacts {
            address: "https://data.example/notulen".into(),
            crawlers: "VoorbeeldBot/1.0".into(),
            crawl_purpose: "Taalmodellen".into(),
            crawl_conduct: "Volgt robots.txt; stopt bij captcha en betaalmuur.".into(),
            crawl_from: "2026-01".into(),
            crawl_until: "2026-03".into(),
            crawl_sites: "Gemeenten".into(),
            crawl_domain_count: "11".into(),
            crawl_domains: "A.example\nb.example\na.example\n".into(),
            users_of_models: "no".into(),
            users_of_services: "yes".into(),
            models: "Voorbeeld 7B | https://example.org/7b".into(),
            ..RawPublicFacts::default()
        }
    }

    #[test]
    fn what_was_stated_comes_back() {
        let (details, errors) = parsed(&full());
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(details.crawl.domains, ["a.example", "b.example"]);
        assert!(details.crawl.names_largest());
        let mut raw = RawPublicFacts::default();
        details.fill(&mut raw);
        assert_eq!(parsed(&raw).0, details);
        let written = serde_json::to_value(&details).unwrap();
        assert_eq!(serde_json::from_value::<Details>(written).unwrap(), details);
    }

    #[test]
    fn each_wrong_field_is_named() {
        let wrong = |change: fn(&mut RawPublicFacts)| {
            let mut raw = full();
            change(&mut raw);
            let fields: Vec<_> = parsed(&raw).1.iter().map(|(field, _)| *field).collect();
            fields
        };
        assert_eq!(wrong(|raw| raw.address = "ftp://x".into()), ["address"]);
        assert_eq!(
            wrong(|raw| raw.crawl_until = "2025-12".into()),
            ["crawl_until"]
        );
        assert_eq!(wrong(|raw| raw.crawl_from = "mei".into()), ["crawl_from"]);
        assert_eq!(
            wrong(|raw| raw.crawl_domain_count = "21".into()),
            ["crawl_domains"]
        );
        assert_eq!(
            wrong(|raw| raw.crawl_domain_count = "1".into()),
            ["crawl_domain_count"]
        );
        assert_eq!(
            wrong(|raw| raw.crawl_domain_count.clear()),
            ["crawl_domain_count"]
        );
        assert_eq!(
            wrong(|raw| raw.crawl_domains = "https://a.example/".into()),
            ["crawl_domains"]
        );
        assert_eq!(
            wrong(|raw| raw.users_of_models = "maybe".into()),
            ["users_of_models"]
        );
        assert_eq!(wrong(|raw| raw.models = "Voorbeeld 7B".into()), ["models"]);
    }

    proptest! {
        #[test]
        fn a_tenth_is_named_and_never_less(count in 1_u32..3000, named in 1_usize..400) {
            let domains: Vec<String> = (0..named).map(|n| format!("d{n}.example")).collect();
            let raw = RawPublicFacts {
                crawl_domain_count: count.to_string(),
                crawl_domains: domains.join("\n"),
                ..RawPublicFacts::default()
            };
            let (details, errors) = parsed(&raw);
            let is_enough = named * 10 >= count as usize && named <= count as usize;
            prop_assert_eq!(errors.is_empty(), is_enough);
            prop_assert_eq!(details.crawl.names_largest(), named * 10 >= count as usize);
        }
    }
}
