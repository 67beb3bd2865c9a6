//! The made-up people.

use serde_json::{Map, Value, json};

/// Somebody who can sign in. An empty text means that the attribute is not released.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Login name, also the local part of `eduperson_principal_name`.
    pub login: String,
    /// Password; for the demo usually the login name.
    pub password: String,
    /// Name as shown.
    pub name: String,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// E-mail address; released as verified, as SURFconext does.
    pub email: String,
    /// Domain of the institution, for example `uniharderwijk.nl`.
    pub schac_home_organization: String,
    /// SAML entity id of the institution's own identity provider.
    pub authenticating_authority: String,
    /// eduPerson affiliations, for example `employee`.
    pub affiliations: Vec<String>,
    /// Institution and roles in words, shown on the sign-in page only.
    pub note: String,
}

impl Person {
    /// The subject identifier, marked so that it cannot be taken for one of another provider.
    pub(crate) fn subject(&self) -> String {
        format!("demo|{}", self.login)
    }

    /// What userinfo says of this person, with the claim names of SURFconext.
    pub(crate) fn claims(&self, updated_at: i64) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut text = |name: &str, value: &str| {
            if !value.is_empty() {
                claims.insert(name.to_owned(), value.into());
            }
        };
        text("sub", &self.subject());
        text("acr", crate::token::ASSURANCE);
        text("name", &self.name);
        text("preferred_username", &self.name);
        text("nickname", &self.given_name);
        text("given_name", &self.given_name);
        text("family_name", &self.family_name);
        text("email", &self.email);
        text("schac_home_organization", &self.schac_home_organization);
        text("authenticating_authority", &self.authenticating_authority);
        claims.insert("uids".to_owned(), json!([self.login]));
        claims.insert("updated_at".to_owned(), updated_at.into());
        if !self.email.is_empty() {
            claims.insert("email_verified".to_owned(), true.into());
        }
        if !self.affiliations.is_empty() {
            claims.insert("eduperson_affiliation".to_owned(), json!(self.affiliations));
        }
        if !self.schac_home_organization.is_empty() {
            self.scoped(&mut claims);
        }
        claims
    }

    /// The claims that only somebody with an institution has.
    fn scoped(&self, claims: &mut Map<String, Value>) {
        let home = &self.schac_home_organization;
        let scoped: Vec<String> = self
            .affiliations
            .iter()
            .map(|affiliation| format!("{affiliation}@{home}"))
            .collect();
        claims.insert(
            "eduperson_principal_name".to_owned(),
            format!("{}@{home}", self.login).into(),
        );
        if !scoped.is_empty() {
            claims.insert("eduperson_scoped_affiliation".to_owned(), json!(scoped));
        }
        // What SURFconext says of everybody from an institution that is a member of SURF.
        claims.insert(
            "edumember_is_member_of".to_owned(),
            json!(["urn:collab:org:surf.nl"]),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_without_institution_or_address_has_no_empty_claims() {
        let person = Person {
            login: "guest".to_owned(),
            password: "guest".to_owned(),
            name: "A Guest".to_owned(),
            given_name: String::new(),
            family_name: String::new(),
            email: String::new(),
            schac_home_organization: String::new(),
            authenticating_authority: String::new(),
            affiliations: Vec::new(),
            note: String::new(),
        };
        let claims = person.claims(1_764_000_000);
        let names: Vec<&str> = claims.keys().map(String::as_str).collect();
        let mut expected = vec![
            "acr",
            "name",
            "preferred_username",
            "sub",
            "uids",
            "updated_at",
        ];
        expected.sort_unstable();
        let mut names = names;
        names.sort_unstable();
        assert_eq!(names, expected);
    }
}
