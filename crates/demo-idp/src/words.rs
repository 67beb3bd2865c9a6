//! The page's words, in Dutch and English.

/// Everything that the pages say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) language: &'static str,
    pub(crate) product: &'static str,
    pub(crate) title: &'static str,
    pub(crate) notice: &'static str,
    pub(crate) pick: &'static str,
    pub(crate) continue_as: &'static str,
    pub(crate) or_password: &'static str,
    pub(crate) username: &'static str,
    pub(crate) password: &'static str,
    pub(crate) sign_in: &'static str,
    pub(crate) wrong: &'static str,
    pub(crate) problem_title: &'static str,
    pub(crate) unknown_client: &'static str,
    pub(crate) foreign_redirect: &'static str,
    pub(crate) malformed: &'static str,
    pub(crate) expired: &'static str,
    pub(crate) not_found: &'static str,
    pub(crate) internal: &'static str,
}

pub(crate) static DUTCH: Words = Words {
    language: "nl",
    product: "Virtuele faculteit · demonstratie",
    title: "Aanmelden bij de demonstratie",
    notice: "De mensen en instellingen hieronder zijn verzonnen. In het echt staat hier de aanmeldpagina van uw eigen \
             instelling, via SURFconext.",
    pick: "Kies wie u bent",
    continue_as: "Doorgaan als",
    or_password: "Of met een wachtwoord",
    username: "Gebruikersnaam",
    password: "Wachtwoord",
    sign_in: "Aanmelden",
    wrong: "Deze gebruikersnaam en dit wachtwoord horen niet bij elkaar. In de demonstratie is het wachtwoord gelijk \
            aan de gebruikersnaam.",
    problem_title: "Aanmelden kan zo niet",
    unknown_client: "De toepassing die u hierheen stuurde is hier niet bekend.",
    foreign_redirect: "De toepassing noemt een adres om naar terug te keren dat niet van haar is. U bent daarom niet \
                       teruggestuurd.",
    malformed: "Het verzoek klopt niet. Ga terug naar de toepassing en meld u opnieuw aan.",
    expired: "Deze aanmelding is verlopen of al gebruikt. Ga terug naar de toepassing en meld u opnieuw aan.",
    not_found: "Deze pagina bestaat niet.",
    internal: "Hier ging iets mis. Ga terug naar de toepassing en probeer het opnieuw.",
};

pub(crate) static ENGLISH: Words = Words {
    language: "en",
    product: "Virtual faculty · demonstration",
    title: "Sign in to the demonstration",
    notice: "The people and institutions below are made up. In production your own institution's sign-in page is \
             here, through SURFconext.",
    pick: "Choose who you are",
    continue_as: "Continue as",
    or_password: "Or with a password",
    username: "User name",
    password: "Password",
    sign_in: "Sign in",
    wrong: "This user name and this password do not belong together. In the demonstration the password equals the \
            user name.",
    problem_title: "Signing in does not work like this",
    unknown_client: "The application that sent you here is not known here.",
    foreign_redirect: "The application names an address to return to that is not its own, so you were not sent back.",
    malformed: "The request is not right. Go back to the application and sign in again.",
    expired: "This sign-in has expired or was used already. Go back to the application and sign in again.",
    not_found: "This page does not exist.",
    internal: "Something went wrong here. Go back to the application and try again.",
};

/// The better fitting language for an Accept-Language header (RFC 9110, 12.5.4); Dutch where neither is asked for.
pub(crate) fn choose(accept_language: Option<&str>) -> &'static Words {
    let mut best: Option<(f32, &'static Words)> = None;
    for range in accept_language.unwrap_or_default().split(',').take(20) {
        let mut parts = range.split(';');
        let tag = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let words = match tag.split('-').next() {
            Some("nl") => &DUTCH,
            Some("en") => &ENGLISH,
            _ => continue,
        };
        let quality = parts
            .find_map(|part| part.trim().strip_prefix("q=")?.parse().ok())
            .unwrap_or(1.0_f32);
        if quality > 0.0 && best.is_none_or(|(found, _)| quality > found) {
            best = Some((quality, words));
        }
    }
    best.map_or(&DUTCH, |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_follows_the_browser() {
        for (header, expected) in [
            (None, &DUTCH),
            (Some("nl-NL,nl;q=0.9,en;q=0.8"), &DUTCH),
            (Some("en-GB,en;q=0.9"), &ENGLISH),
            (Some("nl;q=0.2, en;q=0.7"), &ENGLISH),
            (Some("fr, de;q=0.5"), &DUTCH),
            (Some("en;q=0, nl;q=0.1"), &DUTCH),
            (Some(";;q=x,,"), &DUTCH),
        ] {
            assert_eq!(choose(header), expected, "{header:?}");
        }
    }
}
