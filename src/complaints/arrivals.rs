//! How many cases may come from one address on one day.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use super::{deadline::day, store};
use crate::db::{Db, StoreError};

/// Counts one more from `address` today; says whether it is within `most`. The address is not kept: a hash of it is,
/// under a key, that differs from day to day, and that for two days.
pub(super) async fn admit(
    db: &Db,
    secret: &SecretString,
    address: IpAddr,
    most: i32,
) -> Result<bool, StoreError> {
    let today = day(db.now());
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else {
        return Ok(false);
    };
    mac.update(format!("complaint-arrival {today} {}", network(address)).as_bytes());
    let mut tx = db.meter().await?;
    let count = store::arrived(&mut tx, today, &mac.finalize().into_bytes()).await?;
    tx.commit().await?;
    Ok(count <= most)
}

/// One household or office: an IPv4 address, or the first 64 bits of an IPv6 address.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{:016x}", address.to_bits() >> 64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_household_is_one_address() {
        let network = |text: &str| network(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
