//! What a page says about rights in its elements: `meta` of the TDM Reservation Protocol, and its licence.

use html5gum::{DefaultEmitter, StringReader, Token, Tokenizer};

/// What stands in a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// `<meta name="tdm-reservation">`.
    pub(super) reservation: Option<String>,
    /// `<meta name="tdm-policy">`.
    pub(super) policy: Option<String>,
    /// `<link rel="license">`, `<a rel="license">` or a meta element that names the licence; the first.
    pub(super) licence: Option<String>,
    /// The elements that this was read from, as text.
    pub(super) raw: String,
}

/// Meta elements that name a licence, in small letters.
const LICENCE_NAMES: [&str; 6] = [
    "license",
    "licence",
    "dc.rights",
    "dcterms.license",
    "dc.rights.license",
    "dcterms.rights",
];

/// Elements kept as evidence, in bytes.
const MOST_RAW: usize = 4000;

/// Reads the marks of a page; of each, the first.
#[must_use]
pub(super) fn read(page: &str) -> Marks {
    let mut marks = Marks::default();
    let tokens: Tokenizer<StringReader<'_>, DefaultEmitter> = Tokenizer::new(page);
    for token in tokens {
        let Ok(Token::StartTag(tag)) = token else {
            continue;
        };
        let name = String::from_utf8_lossy(&tag.name).into_owned();
        let attribute = |wanted: &str| {
            tag.attributes
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(wanted.as_bytes()))
                .map(|(_, value)| String::from_utf8_lossy(value).trim().to_owned())
        };
        let found = match name.as_str() {
            "meta" => {
                let what = attribute("name")
                    .or_else(|| attribute("property"))
                    .unwrap_or_default()
                    .to_lowercase();
                let content = attribute("content");
                match what.as_str() {
                    "tdm-reservation" => keep(&mut marks.reservation, content),
                    "tdm-policy" => keep(&mut marks.policy, content),
                    other if LICENCE_NAMES.contains(&other) => keep(&mut marks.licence, content),
                    _ => false,
                }
            }
            "link" | "a" => {
                let is_licence = attribute("rel").is_some_and(|rel| {
                    rel.split_ascii_whitespace()
                        .any(|word| word.eq_ignore_ascii_case("license"))
                });
                is_licence && keep(&mut marks.licence, attribute("href"))
            }
            _ => false,
        };
        if found && marks.raw.len() < MOST_RAW {
            let attributes: String = tag
                .attributes
                .iter()
                .map(|(key, value)| {
                    format!(
                        " {}=\"{}\"",
                        String::from_utf8_lossy(key),
                        String::from_utf8_lossy(value)
                    )
                })
                .collect();
            marks.raw.push_str(&format!("<{name}{attributes}>\n"));
        }
    }
    marks
}

fn keep(place: &mut Option<String>, found: Option<String>) -> bool {
    match (place.is_none(), found) {
        (true, Some(text)) if !text.is_empty() => {
            *place = Some(text);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_are_found_wherever_they_stand() {
        let marks = read(
            r#"<!doctype html><head><META NAME="TDM-Reservation" content=1>
               <meta name='tdm-policy' content='/policy.json'>
               <link rel="stylesheet license" href="https://creativecommons.org/licenses/by/4.0/">
               </head><body><a rel=license href=/else>x</a>"#,
        );
        assert_eq!(marks.reservation.as_deref(), Some("1"));
        assert_eq!(marks.policy.as_deref(), Some("/policy.json"));
        assert_eq!(
            marks.licence.as_deref(),
            Some("https://creativecommons.org/licenses/by/4.0/")
        );
        assert!(marks.raw.contains("tdm-policy"), "{}", marks.raw);
    }

    #[test]
    fn comments_and_scripts_say_nothing() {
        let marks = read(
            r#"<!-- <meta name="tdm-reservation" content="1"> --><p title='<meta name="tdm-policy" content="x">'>"#,
        );
        assert_eq!(marks, Marks::default());
    }

    #[test]
    fn the_first_of_each_counts() {
        let marks = read(
            r#"<meta name="tdm-reservation" content="0"><meta name="tdm-reservation" content="1">"#,
        );
        assert_eq!(marks.reservation.as_deref(), Some("0"));
    }

    proptest! {
        #[test]
        fn any_text_is_read(page in ".{0,400}") {
            let _ = read(&page);
        }

        #[test]
        fn a_mark_is_found_after_any_text(before in "[a-z <>/]{0,60}", value in "[01]") {
            // A tag that was left open would swallow the next one: close it first.
            let page = format!("{before}><meta name=\"tdm-reservation\" content=\"{value}\">");
            prop_assert_eq!(read(&page).reservation, Some(value));
        }
    }
}
