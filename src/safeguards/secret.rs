//! The secret by which a service that judges knows that the portal asks. It is kept nowhere: it follows from the portal's
//! own secret, the institution and how often it was renewed.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::ids::InstitutionId;

/// The bearer token that goes with each question to the service: `modsec_…`.
#[must_use]
pub fn token(portal: &SecretString, institution: InstitutionId, generation: i32) -> String {
    let of = format!("moderation:{institution}:{generation}");
    // HMAC takes keys of any length, so this is never none.
    let mac = Hmac::<Sha256>::new_from_slice(portal.expose_secret().as_bytes())
        .map(|mac| mac.chain_update(of).finalize().into_bytes().to_vec())
        .unwrap_or_default();
    format!("modsec_{}", HEXLOWER.encode(&mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_institution_and_generation_has_a_token_of_its_own() {
        let portal: SecretString = "a".repeat(32).into();
        let one = InstitutionId::fresh();
        let first = token(&portal, one, 1);
        assert_eq!(first.len(), 7 + 64);
        assert_ne!(first, token(&portal, one, 2));
        assert_ne!(first, token(&portal, InstitutionId::fresh(), 1));
    }
}
