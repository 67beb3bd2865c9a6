//! What documents say of the provider: stated by an admin, kept in versions.

use serde::{Deserialize, Serialize};

use super::{canonical::canonical, document::Words, error::DisclosureError, store};
use crate::{
    db::{Db, Event, Subject},
    error::Say,
    ids::{FactId, InstitutionId},
    policy::{self, Action, Actor, Scope},
    web::{FieldErrors, Text},
};

/// What is stated of the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderFacts {
    /// Legal name.
    pub name: String,
    pub address: String,
    /// A functional mailbox or a form.
    pub contact: String,
    /// In the Union; none for a provider that is established there.
    pub representative: Option<String>,
    pub acceptable_use_url: String,
    /// Whether the provider signed the Code of Practice.
    pub is_code_signatory: bool,
    pub copyright_policy: Words,
    /// Who answers for the policy: a function with its address, not a person.
    pub copyright_contact: String,
    pub complaint_url: String,
    /// How reservations of rights are found and respected.
    pub reservations: Words,
    /// How illegal content is kept out.
    pub illegal_content: Words,
    /// How unsuitable sources are found.
    pub unsuitable_data: Words,
    /// How bias is looked for.
    pub bias: Words,
    /// What one needs to build the models in.
    pub integration: Words,
    /// In what kinds of systems they may be built.
    pub systems: Words,
    /// Why models are trained as they are.
    pub training_choices: Words,
    /// What the machines that train draw, in watts, where they do not measure it.
    pub compute_watts: u32,
    /// Where that figure comes from.
    pub compute_watts_source: String,
}

/// The same as it was typed or sent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RawProviderFacts {
    pub name: String,
    pub address: String,
    pub contact: String,
    pub representative: String,
    pub acceptable_use_url: String,
    /// `yes` or `no`.
    pub code_signatory: String,
    pub copyright_policy_nl: String,
    pub copyright_policy_en: String,
    pub copyright_contact: String,
    pub complaint_url: String,
    pub reservations_nl: String,
    pub reservations_en: String,
    pub illegal_content_nl: String,
    pub illegal_content_en: String,
    pub unsuitable_data_nl: String,
    pub unsuitable_data_en: String,
    pub bias_nl: String,
    pub bias_en: String,
    pub integration_nl: String,
    pub integration_en: String,
    pub systems_nl: String,
    pub systems_en: String,
    pub training_choices_nl: String,
    pub training_choices_en: String,
    pub compute_watts: String,
    pub compute_watts_source: String,
}

const SHORT: Text = Text {
    least: 1,
    most: 300,
};
const LONG: Text = Text {
    least: 1,
    most: 5000,
};

/// An address of the web, or nothing but an error.
pub(super) fn address(errors: &mut FieldErrors, field: &'static str, raw: &str) -> String {
    let text = errors.text(field, raw, SHORT);
    let is_address =
        url::Url::parse(&text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()));
    if !text.is_empty() && !is_address {
        errors.add(field, Say::new("disclosure-address-invalid"));
    }
    text
}

impl ProviderFacts {
    /// Checks what was typed. Nothing but the representative may be left out.
    ///
    /// # Errors
    /// Everything that is wrong, by field.
    pub fn parse(raw: &RawProviderFacts) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let representative = errors.text(
            "representative",
            &raw.representative,
            Text { least: 0, ..SHORT },
        );
        let signatory = match raw.code_signatory.as_str() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        let mut both = |nl: (&'static str, &str), en: (&'static str, &str)| Words {
            nl: errors.text(nl.0, nl.1, LONG),
            en: errors.text(en.0, en.1, LONG),
        };
        let copyright_policy = both(
            ("copyright_policy_nl", &raw.copyright_policy_nl),
            ("copyright_policy_en", &raw.copyright_policy_en),
        );
        let reservations = both(
            ("reservations_nl", &raw.reservations_nl),
            ("reservations_en", &raw.reservations_en),
        );
        let illegal_content = both(
            ("illegal_content_nl", &raw.illegal_content_nl),
            ("illegal_content_en", &raw.illegal_content_en),
        );
        let unsuitable_data = both(
            ("unsuitable_data_nl", &raw.unsuitable_data_nl),
            ("unsuitable_data_en", &raw.unsuitable_data_en),
        );
        let bias = both(("bias_nl", &raw.bias_nl), ("bias_en", &raw.bias_en));
        let integration = both(
            ("integration_nl", &raw.integration_nl),
            ("integration_en", &raw.integration_en),
        );
        let systems = both(
            ("systems_nl", &raw.systems_nl),
            ("systems_en", &raw.systems_en),
        );
        let training_choices = both(
            ("training_choices_nl", &raw.training_choices_nl),
            ("training_choices_en", &raw.training_choices_en),
        );
        let facts = Self {
            name: errors.text("name", &raw.name, SHORT),
            address: errors.text("address", &raw.address, SHORT),
            contact: errors.text("contact", &raw.contact, SHORT),
            representative: (!representative.is_empty()).then_some(representative),
            acceptable_use_url: address(&mut errors, "acceptable_use_url", &raw.acceptable_use_url),
            is_code_signatory: errors
                .choice("code_signatory", signatory)
                .unwrap_or_default(),
            copyright_policy,
            copyright_contact: errors.text("copyright_contact", &raw.copyright_contact, SHORT),
            complaint_url: address(&mut errors, "complaint_url", &raw.complaint_url),
            reservations,
            illegal_content,
            unsuitable_data,
            bias,
            integration,
            systems,
            training_choices,
            compute_watts: u32::try_from(errors.number(
                "compute_watts",
                &raw.compute_watts,
                1,
                100_000_000,
            ))
            .unwrap_or(u32::MAX),
            compute_watts_source: errors.text(
                "compute_watts_source",
                &raw.compute_watts_source,
                SHORT,
            ),
        };
        errors.into_result(facts)
    }

    /// As it stands in the form.
    #[must_use]
    pub fn to_raw(&self) -> RawProviderFacts {
        RawProviderFacts {
            name: self.name.clone(),
            address: self.address.clone(),
            contact: self.contact.clone(),
            representative: self.representative.clone().unwrap_or_default(),
            acceptable_use_url: self.acceptable_use_url.clone(),
            code_signatory: if self.is_code_signatory { "yes" } else { "no" }.to_owned(),
            copyright_policy_nl: self.copyright_policy.nl.clone(),
            copyright_policy_en: self.copyright_policy.en.clone(),
            copyright_contact: self.copyright_contact.clone(),
            complaint_url: self.complaint_url.clone(),
            reservations_nl: self.reservations.nl.clone(),
            reservations_en: self.reservations.en.clone(),
            illegal_content_nl: self.illegal_content.nl.clone(),
            illegal_content_en: self.illegal_content.en.clone(),
            unsuitable_data_nl: self.unsuitable_data.nl.clone(),
            unsuitable_data_en: self.unsuitable_data.en.clone(),
            bias_nl: self.bias.nl.clone(),
            bias_en: self.bias.en.clone(),
            integration_nl: self.integration.nl.clone(),
            integration_en: self.integration.en.clone(),
            systems_nl: self.systems.nl.clone(),
            systems_en: self.systems.en.clone(),
            training_choices_nl: self.training_choices.nl.clone(),
            training_choices_en: self.training_choices.en.clone(),
            compute_watts: self.compute_watts.to_string(),
            compute_watts_source: self.compute_watts_source.clone(),
        }
    }
}

#[derive(Serialize)]
struct Described {
    statement: FactId,
    facts_sha256: String,
    #[serde(skip)]
    platform: InstitutionId,
}

impl Event for Described {
    fn kind(&self) -> &'static str {
        "disclosures.provider_described"
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: "provider_facts",
            id: self.statement.0,
            institution: self.platform,
        }
    }
}

/// Puts facts of the provider on record; the same as the newest ones change nothing.
///
/// # Errors
/// [`DisclosureError::Denied`] where the actor is no admin of the platform.
pub async fn describe_provider(
    db: &Db,
    actor: &Actor,
    facts: &ProviderFacts,
) -> Result<(), DisclosureError> {
    let mut tx = db.write(actor).await?;
    let permit = policy::check(
        actor,
        Action::DescribeProvider,
        &Scope::of(actor.institution),
    )?;
    let now = tx.now();
    let known = store::provider(tx.conn(), now).await?;
    if known.is_some_and(|known| known.facts == *facts) {
        return Ok(());
    }
    let (statement, facts_sha256) = store::insert_provider(&mut tx, &canonical(facts)?).await?;
    tx.record(&Described {
        statement,
        facts_sha256,
        platform: actor.institution,
    })?;
    tx.commit(permit).await?;
    Ok(())
}
