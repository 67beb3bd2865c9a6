//! Who takes part in the demonstration. Universiteit Harderwijk, Archief Waterland and all people are made up.

use crate::{app::Ports, bootstrap, institutions::NewInstitution, policy::Role};

/// An institution of the demonstration.
pub struct InstitutionOfDemo {
    /// Short name.
    pub slug: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// Whether it is the platform.
    pub is_platform: bool,
    /// Its `schac_home_organization`.
    pub home: &'static str,
    /// Its identity provider behind SURFconext.
    pub authority: &'static str,
}

/// Everybody's institutions; all but TNO are fictional.
pub const INSTITUTIONS: [InstitutionOfDemo; 3] = [
    InstitutionOfDemo {
        slug: "tno",
        name: "TNO",
        is_platform: true,
        home: "tno.example",
        authority: "https://idp.tno.example/saml",
    },
    InstitutionOfDemo {
        slug: "waterland",
        name: "Archief Waterland",
        is_platform: false,
        home: "archiefwaterland.example",
        authority: "https://idp.archiefwaterland.example/saml",
    },
    InstitutionOfDemo {
        slug: "harderwijk",
        name: "Universiteit Harderwijk",
        is_platform: false,
        home: "uniharderwijk.example",
        authority: "https://idp.uniharderwijk.example/saml",
    },
];

/// A person of the demonstration; the password is the login name.
pub struct PersonOfDemo {
    /// Login at the demo identity provider.
    pub login: &'static str,
    /// Given name.
    pub given: &'static str,
    /// Family name.
    pub family: &'static str,
    /// Slug of their institution.
    pub institution: &'static str,
    /// What they are there.
    pub role: Role,
}

const fn person(
    login: &'static str,
    given: &'static str,
    family: &'static str,
    institution: &'static str,
    role: Role,
) -> PersonOfDemo {
    PersonOfDemo {
        login,
        given,
        family,
        institution,
        role,
    }
}

/// Everybody.
pub const PEOPLE: [PersonOfDemo; 11] = [
    person("admin", "Ada", "Beheer", "tno", Role::Admin),
    person("steward", "Stefan", "Steward", "tno", Role::Steward),
    person("legal", "Lieke", "Jurist", "tno", Role::LegalReviewer),
    person("operator", "Olga", "Operator", "tno", Role::Operator),
    person("auditor", "Aad", "Auditor", "tno", Role::Auditor),
    person(
        "manager.waterland",
        "Marijke",
        "Dijkstra",
        "waterland",
        Role::Manager,
    ),
    person(
        "contributor.waterland",
        "Coen",
        "Visser",
        "waterland",
        Role::Contributor,
    ),
    person(
        "fg.waterland",
        "Fenna",
        "Bakker",
        "waterland",
        Role::PrivacyOfficer,
    ),
    person(
        "manager.harderwijk",
        "Mehmet",
        "Yilmaz",
        "harderwijk",
        Role::Manager,
    ),
    person(
        "researcher.harderwijk",
        "Roos",
        "van Dam",
        "harderwijk",
        Role::Researcher,
    ),
    person(
        "developer.harderwijk",
        "Dirk",
        "Hoekstra",
        "harderwijk",
        Role::Developer,
    ),
];

impl PersonOfDemo {
    /// Name as shown.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.given, self.family)
    }

    /// The `sub` at the demo identity provider.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("demo|{}", self.login)
    }

    /// Their institution.
    #[must_use]
    pub fn place(&self) -> Option<&'static InstitutionOfDemo> {
        INSTITUTIONS.iter().find(|one| one.slug == self.institution)
    }
}

/// The people as the demo identity provider knows them.
#[must_use]
pub fn provider_people() -> Vec<demo_idp::Person> {
    PEOPLE
        .iter()
        .filter_map(|person| {
            let place = person.place()?;
            Some(demo_idp::Person {
                login: person.login.into(),
                password: person.login.into(),
                name: person.name(),
                given_name: person.given.into(),
                family_name: person.family.into(),
                email: format!("{}@{}", person.login, place.home),
                schac_home_organization: place.home.into(),
                authenticating_authority: place.authority.into(),
                affiliations: vec!["employee".into(), "member".into()],
                note: format!("{} · {}", place.name, person.role.name().replace('_', " ")),
            })
        })
        .collect()
}

/// Puts institutions and people in the database. Harmless to repeat.
///
/// # Errors
/// Where the database refuses.
pub async fn seed(ports: &Ports) -> anyhow::Result<()> {
    for institution in &INSTITUTIONS {
        let new = NewInstitution {
            slug: institution.slug,
            name: institution.name,
            is_platform: institution.is_platform,
            home_organizations: &[institution.home],
            authenticating_authorities: &[institution.authority],
        };
        let people: Vec<(String, String, Role)> = PEOPLE
            .iter()
            .filter(|person| person.institution == institution.slug)
            .map(|person| (person.subject(), person.name(), person.role))
            .collect();
        let members: Vec<((&str, &str), Role)> = people
            .iter()
            .map(|(subject, name, role)| ((subject.as_str(), name.as_str()), *role))
            .collect();
        bootstrap::keep(ports, &new, &members).await?;
    }
    Ok(())
}
