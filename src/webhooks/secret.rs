//! The secret that an endpoint's messages are signed with. It is kept nowhere: it follows from the portal's own secret, the
//! endpoint and how often it was renewed.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::ids::WebhookId;

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length, so this is never none.
    Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(message).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

fn key(portal: &SecretString, endpoint: WebhookId, generation: i32) -> Vec<u8> {
    let of = format!("webhook:{endpoint}:{generation}");
    mac(portal.expose_secret().as_bytes(), of.as_bytes())
}

/// As its holder keeps it: `whsec_…`.
pub(super) fn secret(portal: &SecretString, endpoint: WebhookId, generation: i32) -> String {
    format!(
        "whsec_{}",
        BASE64.encode(&key(portal, endpoint, generation))
    )
}

/// The value of `webhook-signature`: one for each generation that holds.
pub(super) fn signature(
    portal: &SecretString,
    (endpoint, generations): (WebhookId, &[i32]),
    (id, timestamp, body): (&str, i64, &str),
) -> String {
    let signed = format!("{id}.{timestamp}.{body}");
    let one = |generation: &i32| {
        let mac = mac(&key(portal, endpoint, *generation), signed.as_bytes());
        format!("v1,{}", BASE64.encode(&mac))
    };
    generations.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_webhooks_own_example_comes_out() {
        // From the specification: its secret, id, time and body, and the signature it gives for them.
        let secret = BASE64.decode(b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}";
        assert_eq!(
            BASE64.encode(&mac(&secret, signed.as_bytes())),
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn each_endpoint_and_generation_has_a_secret_of_its_own() {
        let portal: SecretString = "a".repeat(32).into();
        let endpoint = WebhookId::fresh();
        let first = secret(&portal, endpoint, 1);
        assert_eq!(first.len(), 6 + 44);
        assert_ne!(first, secret(&portal, endpoint, 2));
        assert_ne!(first, secret(&portal, WebhookId::fresh(), 1));
        let both = signature(&portal, (endpoint, &[2, 1]), ("evt_1", 7, "{}"));
        let alone = signature(&portal, (endpoint, &[1]), ("evt_1", 7, "{}"));
        assert!(both.ends_with(&format!(" {alone}")), "{both}");
    }
}
