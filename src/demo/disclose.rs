//! What the demonstration states for the documents about its model, and their publication. The provider's
//! statements are examples and name no real policy; the base model's facts are those of its model card.

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::Browser;
use crate::ids::ModelId;

/// What Archief Waterland says of its dataset for the public summary.
#[must_use]
pub fn public_facts() -> Value {
    json!({
        "source_category": "licensed_rightholder",
        "content_types": ["government", "conversation"],
        "acquired_until": "2026-10",
        "languages": "nl",
        "collection": "",
        "characteristics": "Vragen van bezoekers en antwoorden van een studiezaal en een gemeente in Noord-Holland, geschreven in 2026.",
    })
}

/// What the platform says of itself, as an example.
#[must_use]
pub fn provider_facts() -> Value {
    json!({
        "name": "TNO (voorbeeld in een demonstratie)",
        "address": "Anna van Buerenplein 1, Den Haag",
        "contact": "faculteit@tno.example",
        "representative": "",
        "acceptable_use_url": "https://tno.example/gpt-nl/gebruik",
        "code_signatory": "no",
        "copyright_policy_nl": "Wij trainen alleen op data waarvoor de rechthebbende toestemming heeft vastgelegd. Elk gebruik wordt aan die toestemming getoetst: bij de aanvraag, bij de start en bij elk bestand. Wie toestemming intrekt, wordt vanaf dat moment niet meer gebruikt.",
        "copyright_policy_en": "We train only on data for which the right holder has put permission on record. Each use is checked against that permission: when it is asked for, when it starts and at each file. Data whose permission is withdrawn is not used from that moment on.",
        "copyright_contact": "Juridische zaken van de faculteit, auteursrecht@tno.example",
        "complaint_url": "https://tno.example/gpt-nl/klachten",
        "reservations_nl": "Er wordt niet van websites verzameld. Bij elke dataset beoordeelt een jurist vóór gebruik de licentie en de voorbehouden van rechten bij de bron.",
        "reservations_en": "Nothing is collected from websites. For each dataset, a legal reviewer assesses the licence and the reservations of rights at the source before use.",
        "illegal_content_nl": "Datasets komen van bekende instellingen. Een datasteward bekijkt elke dataset voordat die wordt goedgekeurd.",
        "illegal_content_en": "Datasets come from known institutions. A data steward looks at each dataset before it is approved.",
        "unsuitable_data_nl": "Elk bestand wordt van begin tot eind gelezen en gecontroleerd op codering en opbouw; wat niet klopt, wordt geweigerd met de regel erbij. Daarna beoordelen een datasteward en een jurist de dataset.",
        "unsuitable_data_en": "Each file is read from end to end and checked for encoding and structure; what is wrong is refused with the line named. A data steward and a legal reviewer then assess the dataset.",
        "bias_nl": "De datasteward beoordeelt van welke groepen en uit welke tijd de teksten komen. Een geautomatiseerde meting van vertekening is voor dit model niet gedaan.",
        "bias_en": "The data steward assesses which groups and what time the texts come from. No automated measurement of bias was done for this model.",
        "integration_nl": "Een programma dat het OpenAI-protocol spreekt en een sleutel van dit portaal; er is geen eigen hardware nodig.",
        "integration_en": "A program that speaks the OpenAI protocol and a key of this portal; no hardware of one's own is needed.",
        "systems_nl": "Assistenten die vragen beantwoorden in het Nederlands, met een mens die meeleest. Niet voor besluiten over mensen.",
        "systems_en": "Assistants that answer questions in Dutch, with a person reading along. Not for decisions about people.",
        "training_choices_nl": "Alleen kleine adapters worden getraind en het basismodel blijft zoals het is. Zo is de wijziging klein, goedkoop en weer te verwijderen.",
        "training_choices_en": "Only small adapters are trained and the base model stays as it is. The modification is so small, cheap and removable.",
        "compute_watts": "65",
        "compute_watts_source": "aanname voor de processor van een werkstation (voorbeeld)",
    })
}

/// SmolLM2-135M-Instruct as its model card and the file itself say: parameters, length and shape from the GGUF's own
/// metadata, tokens, maker and licence from the card. Its maker states no compute, so that is estimated.
#[must_use]
pub fn base_facts() -> Value {
    json!({
        "provider": "Hugging Face (HuggingFaceTB)",
        "evidence_url": "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        "summary_url": "",
        "license": "Apache-2.0",
        "released_on": "2024-11-01",
        "parameters": "134515008",
        "architecture_nl": "Decoder-transformer van het Llama-type: 30 lagen, breedte 576, 9 aandachtskoppen met 3 gedeelde, woordenschat van 49.152 tokens.",
        "architecture_en": "Decoder-only transformer of the Llama kind: 30 layers, width 576, 9 attention heads sharing 3, vocabulary of 49,152 tokens.",
        "context_length": "8192",
        "input_modalities": ["text"],
        "output_modalities": ["text"],
        "training_tokens": "2000000000000",
        "compute_basis": "estimated",
        "training_flop": "",
    })
}

/// `first` with the members of `more`.
pub(super) fn with(mut first: Value, more: Value) -> Value {
    if let (Value::Object(first), Value::Object(more)) = (&mut first, more) {
        first.extend(more);
    }
    first
}

/// The admin states who provides the model, the operator what the base is and freezes the documents, the legal
/// reviewer publishes them; then anybody reads the summary.
pub(super) async fn publish(portal: &Url, base: ModelId, model: Uuid) -> anyhow::Result<()> {
    Browser::sign_in(portal, "admin", "admin")
        .await?
        .api(Method::POST, "/api/v1/provider", Some(provider_facts()))
        .await?;
    let mut operator = Browser::sign_in(portal, "operator", "operator").await?;
    operator
        .api(
            Method::POST,
            &format!("/api/v1/models/{base}/base-facts"),
            Some(base_facts()),
        )
        .await?;
    let prepared = operator
        .api(
            Method::POST,
            &format!("/api/v1/models/{model}/disclosures"),
            None,
        )
        .await?;
    let id = prepared["id"].as_str().context("nothing was prepared")?;
    Browser::sign_in(portal, "legal", "legal")
        .await?
        .api(
            Method::POST,
            &format!("/api/v1/disclosures/{id}/publish"),
            None,
        )
        .await?;
    let answer = Browser::new(portal)?
        .get(&format!("/nl/disclosures/{id}/training_summary"))
        .await?;
    anyhow::ensure!(
        answer.status.is_success(),
        "the published summary cannot be read: {}",
        answer.status
    );
    Ok(())
}
