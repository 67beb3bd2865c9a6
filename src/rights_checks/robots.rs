//! robots.txt (RFC 9309): may programs read this address?

use serde::{Deserialize, Serialize};
use texting_robots::Robot;

/// Our name in robots.txt, and the first word of what we call ourselves.
pub(super) const AGENT: &str = "GPT-NL-faculty";

/// Names under which makers of models are known to look; who shuts them out says something too.
pub(super) const MODEL_MAKERS: [&str; 9] = [
    "GPTBot",
    "CCBot",
    "Google-Extended",
    "ClaudeBot",
    "Applebot-Extended",
    "Bytespider",
    "PerplexityBot",
    "Meta-ExternalAgent",
    "Amazonbot",
];

/// What robots.txt says about one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Robots {
    /// We may read it.
    Allowed,
    /// We may not.
    Disallowed,
    /// There is no robots.txt: nothing is refused (RFC 9309, 2.3.1.3).
    Absent,
    /// It could not be read, so nothing is known (RFC 9309, 2.3.1.4).
    Unknown,
}

impl Robots {
    /// All, for texts.
    pub const ALL: [Self; 4] = [Self::Allowed, Self::Disallowed, Self::Absent, Self::Unknown];

    /// The word in the database and in texts (`rights-robots-{name}`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Disallowed => "disallowed",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// What the file says about `url` to us, and which makers of models it shuts out there.
#[must_use]
pub(super) fn read(body: &[u8], url: &str) -> (Robots, Vec<&'static str>) {
    let allowed = |agent: &str| Robot::new(agent, body).map(|robot| robot.allowed(url));
    let own = match allowed(AGENT) {
        Ok(true) => Robots::Allowed,
        Ok(false) => Robots::Disallowed,
        Err(_) => Robots::Unknown,
    };
    let text = String::from_utf8_lossy(body).to_lowercase();
    // Only those whom the file names: what it says to everybody is the verdict for us already.
    let shut_out = MODEL_MAKERS
        .into_iter()
        .filter(|agent| text.contains(&agent.to_lowercase()))
        .filter(|agent| matches!(allowed(agent), Ok(false)))
        .collect();
    (own, shut_out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn own(body: &str, url: &str) -> Robots {
        read(body.as_bytes(), url).0
    }

    #[test]
    fn the_rules_for_everybody_are_ours_too() {
        let body = "User-agent: *\nDisallow: /prive/\nAllow: /prive/open\n";
        assert_eq!(own(body, "https://a.example/"), Robots::Allowed);
        assert_eq!(own(body, "https://a.example/prive/x"), Robots::Disallowed);
        assert_eq!(own(body, "https://a.example/prive/open"), Robots::Allowed);
    }

    #[test]
    fn rules_with_our_name_win_over_those_for_everybody() {
        let body = "User-agent: *\nDisallow: /\n\nUser-agent: gpt-nl-faculty\nAllow: /\n";
        assert_eq!(own(body, "https://a.example/x"), Robots::Allowed);
    }

    #[test]
    fn who_shuts_out_makers_of_models_is_heard() {
        let body = "User-agent: GPTBot\nUser-agent: CCBot\nDisallow: /\n";
        let (own, shut_out) = read(body.as_bytes(), "https://a.example/x");
        assert_eq!((own, shut_out), (Robots::Allowed, vec!["GPTBot", "CCBot"]));
    }

    #[test]
    fn an_empty_or_odd_file_refuses_nothing() {
        for body in [
            "",
            "<html>404</html>",
            "Disallow",
            "User-agent: *\nDisallow:\n",
        ] {
            assert_eq!(
                own(body, "https://a.example/x"),
                Robots::Allowed,
                "{body:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(body in prop::collection::vec(any::<u8>(), 0..600), path in "/[ -~]{0,40}") {
            let _ = read(&body, &format!("https://a.example{path}"));
        }

        #[test]
        fn a_path_that_is_shut_for_all_is_shut_for_us(path in "/[a-z]{1,12}", rest in "[a-z0-9/]{0,12}") {
            let body = format!("User-agent: *\nDisallow: {path}\n");
            let url = format!("https://a.example{path}{rest}");
            prop_assert_eq!(own(&body, &url), Robots::Disallowed);
        }
    }
}
