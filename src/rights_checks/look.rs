//! Looks at a source: robots.txt, tdmrep.json, header fields and elements of the page, in that order.
//!
//! Where robots.txt shuts us out the page is not asked for, and that itself is the finding.

use url::Url;

use super::{
    Outcome, Place, Reservation, Robots,
    check::Findings,
    fetch::{FetchError, Fetched, Fetcher},
    html,
    licence::normalise,
    robots,
    tdm::{self, Says},
};

/// What looks, as it is written down.
pub(super) const CHECKED_WITH: &str =
    concat!("faculty ", env!("CARGO_PKG_VERSION"), ", rights check 1");

/// RFC 9309, 2.5: at least 500 KiB are to be read.
const MOST_ROBOTS: usize = 512 * 1024;
const MOST_TDMREP: usize = 256 * 1024;
const MOST_PAGE: usize = 1024 * 1024;

/// Something that was seen, raw.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Where.
    pub place: Place,
    /// At which address.
    pub url: String,
    /// Status of the answer.
    pub http_status: Option<i32>,
    /// What it says, in short.
    pub says: String,
    /// All that was read.
    pub body: Vec<u8>,
    /// Whether there was more.
    pub is_cut: bool,
    /// What kind of thing it is.
    pub media_type: String,
}

/// All that a look brings home.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What it comes to.
    pub findings: Findings,
    /// What it was read from.
    pub evidence: Vec<Evidence>,
}

/// Looks at `source`; a source that does not answer is a finding, not an error.
pub(super) async fn look(fetcher: &Fetcher, source: &Url) -> Seen {
    let mut evidence = Vec::new();
    let robots = match robots_of(fetcher, source, &mut evidence).await {
        Ok(robots) => robots,
        Err(problem) => return not_read(problem.0, problem.1, evidence),
    };
    let mut says = tdmrep_of(fetcher, source, &mut evidence).await;
    if robots == Robots::Disallowed {
        return Seen {
            findings: Findings {
                reservation: Reservation::Reserved,
                reservation_policy: says.ok().and_then(|says| says.policy),
                robots,
                ..read()
            },
            evidence,
        };
    }
    let page = match fetcher.get(source, MOST_PAGE).await {
        Ok(page) => page,
        Err(error) => {
            let outcome = match error {
                FetchError::Refused(_) => Outcome::Refused,
                _ => Outcome::Unreachable,
            };
            return not_read(outcome, error.code().to_owned(), evidence);
        }
    };
    if !(200..300).contains(&page.status) {
        let outcome = if (400..500).contains(&page.status) {
            Outcome::Gone
        } else {
            Outcome::Unreachable
        };
        let status = page.status;
        evidence.push(of_page(page));
        let mut seen = not_read(outcome, format!("status_{status}"), evidence);
        seen.findings.http_status = Some(i32::from(status));
        seen.findings.robots = robots;
        return seen;
    }
    let mut robots = robots;
    // A redirect may have led to another house with rules of its own.
    if page.url.origin() != source.origin() {
        match robots_of(fetcher, &page.url, &mut evidence).await {
            Ok(Robots::Disallowed) => robots = Robots::Disallowed,
            Ok(_) => {}
            Err(problem) => return not_read(problem.0, problem.1, evidence),
        }
        let there = tdmrep_of(fetcher, &page.url, &mut evidence).await;
        says = match (says, there) {
            (Ok(here), Ok(there)) => Ok(here.then(there)),
            (_, there) => there,
        };
    }
    of_answer(page, robots, says, evidence)
}

fn read() -> Findings {
    Findings {
        outcome: Outcome::Read,
        problem: String::new(),
        http_status: None,
        license_label: None,
        license_expression: None,
        reservation: Reservation::Unset,
        reservation_policy: None,
        robots: Robots::Unknown,
    }
}

fn not_read(outcome: Outcome, problem: String, evidence: Vec<Evidence>) -> Seen {
    Seen {
        findings: Findings {
            outcome,
            problem,
            reservation: Reservation::Unknown,
            ..read()
        },
        evidence,
    }
}

/// What robots.txt says; where it cannot be had nothing may be asked (RFC 9309, 2.3.1.4).
async fn robots_of(
    fetcher: &Fetcher,
    source: &Url,
    evidence: &mut Vec<Evidence>,
) -> Result<Robots, (Outcome, String)> {
    let Ok(url) = source.join("/robots.txt") else {
        return Err((Outcome::Refused, "not_an_address".into()));
    };
    let answer = fetcher.get(&url, MOST_ROBOTS).await.map_err(|error| {
        let outcome = match error {
            FetchError::Refused(_) => Outcome::Refused,
            _ => Outcome::Unreachable,
        };
        (outcome, error.code().to_owned())
    })?;
    let (robots, shut_out) = match answer.status {
        200..=299 => {
            // A file can be made that takes seconds to read; other work goes on meanwhile.
            let (body, url) = (answer.body.clone(), source.to_string());
            tokio::task::spawn_blocking(move || robots::read(&body, &url))
                .await
                .unwrap_or((Robots::Unknown, Vec::new()))
        }
        400..=499 => (Robots::Absent, Vec::new()),
        _ => (Robots::Unknown, Vec::new()),
    };
    let mut says = robots.name().to_owned();
    if !shut_out.is_empty() {
        says.push_str(&format!("; also not: {}", shut_out.join(", ")));
    }
    evidence.push(of(Place::Robots, answer, says));
    if robots == Robots::Unknown {
        return Err((Outcome::Unreachable, "robots_unreadable".into()));
    }
    Ok(robots)
}

/// What tdmrep.json says; an error where it may say something and could not be read.
async fn tdmrep_of(
    fetcher: &Fetcher,
    source: &Url,
    evidence: &mut Vec<Evidence>,
) -> Result<Says, ()> {
    let url = source.join("/.well-known/tdmrep.json").map_err(|_| ())?;
    let answer = fetcher.get(&url, MOST_TDMREP).await.map_err(|_| ())?;
    let says = match answer.status {
        200..=299 => match tdm::read_file(&answer.body, source.path()) {
            Ok(says) => Ok(says),
            // Many servers answer every address with a page of theirs.
            Err(_) if answer.media_type() == "text/html" => Ok(Says::default()),
            Err(_) => Err(()),
        },
        400..=499 => Ok(Says::default()),
        _ => Err(()),
    };
    let words = says.as_ref().map_or("unreadable".to_owned(), in_short);
    evidence.push(of(Place::Tdmrep, answer, words));
    says
}

fn of_answer(
    page: Fetched,
    robots: Robots,
    file: Result<Says, ()>,
    mut evidence: Vec<Evidence>,
) -> Seen {
    let header = Says::of(page.header("tdm-reservation"), page.header("tdm-policy"));
    let url = page.url.to_string();
    let status = Some(i32::from(page.status));
    let fields: String = ["tdm-reservation", "tdm-policy", "link", "x-robots-tag"]
        .iter()
        .filter_map(|name| page.header(name).map(|value| format!("{name}: {value}\n")))
        .collect();
    let mut small = |place, says: String, text: String| {
        if !text.is_empty() {
            evidence.push(Evidence {
                place,
                url: url.clone(),
                http_status: status,
                says,
                body: text.into_bytes(),
                is_cut: false,
                media_type: "text/plain".into(),
            });
        }
    };
    small(Place::Header, in_short(&header), fields);
    let is_html = matches!(
        page.media_type().as_str(),
        "text/html" | "application/xhtml+xml"
    );
    let marks = if is_html {
        html::read(&String::from_utf8_lossy(&page.body))
    } else {
        html::Marks::default()
    };
    let meta = Says::of(marks.reservation.as_deref(), marks.policy.as_deref());
    small(Place::Meta, in_short(&meta), marks.raw);
    let label = marks
        .licence
        .or_else(|| licence_link(page.header("link")?))
        .map(|label| label.chars().take(500).collect::<String>());
    let closer = header.then(meta);
    let is_known = file.is_ok() || closer.reserved.is_some();
    let says = file.unwrap_or_default().then(closer);
    let reservation = if robots == Robots::Disallowed {
        Reservation::Reserved
    } else if is_known {
        says.reservation()
    } else {
        Reservation::Unknown
    };
    let findings = Findings {
        http_status: status,
        license_expression: label.as_deref().map(normalise),
        license_label: label,
        reservation,
        reservation_policy: says.policy,
        robots,
        ..read()
    };
    evidence.push(of_page(page));
    Seen { findings, evidence }
}

/// The target of `Link: <…>; rel="license"` (RFC 8288).
fn licence_link(header: &str) -> Option<String> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_licence = parameters.split(';').any(|parameter| {
            parameter
                .trim()
                .split_once('=')
                .is_some_and(|(name, value)| {
                    name.trim().eq_ignore_ascii_case("rel")
                        && value
                            .trim_matches(['"', ' '])
                            .split(' ')
                            .any(|word| word.eq_ignore_ascii_case("license"))
                })
        });
        is_licence.then(|| target.to_owned())
    })
}

fn in_short(says: &Says) -> String {
    let mut text = says.reservation().name().to_owned();
    if let Some(policy) = &says.policy {
        text.push_str("; ");
        text.extend(policy.chars().take(1500));
    }
    text
}

fn of_page(page: Fetched) -> Evidence {
    of(Place::Page, page, String::new())
}

fn of(place: Place, answer: Fetched, says: String) -> Evidence {
    Evidence {
        place,
        http_status: Some(i32::from(answer.status)),
        says,
        media_type: answer.media_type().chars().take(100).collect(),
        url: answer.url.to_string().chars().take(2000).collect(),
        body: answer.body,
        is_cut: answer.is_cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_in_the_link_header_is_found() {
        let header = "<https://a.example/>; rel=next, <https://creativecommons.org/licenses/by/4.0/>; rel=\"license\"";
        assert_eq!(
            licence_link(header).as_deref(),
            Some("https://creativecommons.org/licenses/by/4.0/")
        );
        assert_eq!(licence_link("<x>; rel=next"), None);
    }
}
