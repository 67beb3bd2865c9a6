//! Which addresses the portal may fetch from: public ones of the web, and nothing inside.
//!
//! The list follows IANA's registries of special-purpose addresses (RFC 6890 and its updates): what is not
//! globally reachable is refused, and so is every form that hides an IPv4 address in an IPv6 one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Why an address is not fetched; the word is the `problem` of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("this is no address of the web")]
    NotAnAddress,
    #[error("only http and https are fetched")]
    Scheme,
    #[error("an address with a name or password in it is not fetched")]
    Credentials,
    #[error("only the usual ports of http and https are fetched")]
    Port,
    #[error("this host is inside a network, not on the web")]
    Inside,
    #[error("an IP address is written as four numbers or not at all")]
    OddNumber,
}

impl Refused {
    /// The code in the database and in texts (`rights-problem-{code}`).
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NotAnAddress => "not_an_address",
            Self::Scheme => "scheme",
            Self::Credentials => "credentials",
            Self::Port => "port",
            Self::Inside => "inside",
            Self::OddNumber => "odd_number",
        }
    }
}

/// What may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The public web.
    Web,
    /// Also this machine and its network: for tests and the demonstration.
    Anything,
}

/// Names that mean a place inside, whatever a resolver says.
const INSIDE: [&str; 8] = [
    "localhost",
    "local",
    "internal",
    "intranet",
    "lan",
    "home.arpa",
    "corp",
    "onion",
];

/// An address that may be asked, as far as its text goes. The addresses that its host resolves to are looked at
/// again when the connection is made.
///
/// # Errors
/// [`Refused`] with the reason.
pub(super) fn parse(text: &str, reach: Reach) -> Result<Url, Refused> {
    let text = text.trim();
    if text.len() > 2000 {
        return Err(Refused::NotAnAddress);
    }
    let url = Url::parse(text).map_err(|_| Refused::NotAnAddress)?;
    // Written out, with every sign escaped, it may be longer.
    if url.as_str().len() > 2000 {
        return Err(Refused::NotAnAddress);
    }
    check(&url, reach)?;
    // `http://2130706433/`, `http://0x7f.1/` and `http://017700000001/` are all 127.0.0.1: who writes an
    // address so has something to hide, also where it is a public one.
    if let Some(Host::Ipv4(address)) = url.host()
        && !text.contains(&address.to_string())
    {
        return Err(Refused::OddNumber);
    }
    Ok(url)
}

/// Whether `url` may be asked: at the beginning, and again for each redirect.
///
/// # Errors
/// [`Refused`] with the reason.
pub(super) fn check(url: &Url, reach: Reach) -> Result<(), Refused> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Refused::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refused::Credentials);
    }
    let host = url.host().ok_or(Refused::NotAnAddress)?;
    if reach == Reach::Anything {
        return Ok(());
    }
    if !matches!(url.port_or_known_default(), Some(80 | 443)) {
        return Err(Refused::Port);
    }
    let is_public = match host {
        Host::Ipv4(address) => is_public(IpAddr::V4(address)),
        Host::Ipv6(address) => is_public(IpAddr::V6(address)),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name.contains('.')
                && !INSIDE
                    .iter()
                    .any(|inside| name == *inside || name.ends_with(&format!(".{inside}")))
        }
    };
    if is_public {
        Ok(())
    } else {
        Err(Refused::Inside)
    }
}

/// Whether an address is one of the public internet.
#[must_use]
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(matches!(a, 0 | 10 | 127 | 224..=255)
        // Shared between providers and their customers (RFC 6598); a cloud's metadata lives there too.
        || (a == 100 && (64..=127).contains(&b))
        // Link-local, with the metadata of most clouds.
        || (a == 169 && b == 254)
        || (a == 172 && (16..=31).contains(&b))
        || (a == 192 && b == 168)
        // Protocol assignments, documentation, benchmarks, the old relay of 6to4.
        || (a == 192 && b == 0 && matches!(c, 0 | 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Global unicast only (2000::/3): that leaves out loopback, mapped and compatible IPv4 (::/96,
    // ::ffff:0:0/96), the translations of NAT64 (64:ff9b::/96), unique local, link-local and multicast.
    (first & 0xe000) == 0x2000
        // Protocol assignments with Teredo (2001::/23), documentation, 6to4, documentation.
        && !(first == 0x2001 && (second < 0x0200 || second == 0x0db8))
        && first != 0x2002
        && !(first == 0x3fff && second < 0x1000)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What somebody may try, and what is said to it.
    const ATTACKS: [(&str, Refused); 44] = [
        ("http://127.0.0.1/", Refused::Inside),
        ("http://127.1.2.3/", Refused::Inside),
        ("https://localhost/", Refused::Inside),
        ("http://LOCALHOST./", Refused::Inside),
        ("http://a.localhost/", Refused::Inside),
        ("http://database/", Refused::Inside),
        ("http://printer.local/", Refused::Inside),
        (
            "http://metadata.google.internal/computeMetadata/v1/",
            Refused::Inside,
        ),
        ("http://169.254.169.254/latest/meta-data/", Refused::Inside),
        ("http://[fd00:ec2::254]/latest/meta-data/", Refused::Inside),
        ("http://100.100.100.200/", Refused::Inside),
        ("http://0.0.0.0/", Refused::Inside),
        ("http://0/", Refused::Inside),
        ("http://10.0.0.1/", Refused::Inside),
        ("http://172.16.0.1/", Refused::Inside),
        ("http://172.31.255.255/", Refused::Inside),
        ("http://192.168.1.1/", Refused::Inside),
        ("http://192.0.0.1/", Refused::Inside),
        ("http://198.18.0.1/", Refused::Inside),
        ("http://203.0.113.9/", Refused::Inside),
        ("http://224.0.0.1/", Refused::Inside),
        ("http://255.255.255.255/", Refused::Inside),
        ("http://2130706433/", Refused::Inside),
        ("http://0x7f000001/", Refused::Inside),
        ("http://0x7f.1/", Refused::Inside),
        ("http://017700000001/", Refused::Inside),
        ("http://127.0.1/", Refused::Inside),
        ("http://①②⑦.⓪.⓪.①/", Refused::Inside),
        ("http://134744072/", Refused::OddNumber),
        ("http://0x08.0x08.0x08.0x08/", Refused::OddNumber),
        ("http://[::1]/", Refused::Inside),
        ("http://[::]/", Refused::Inside),
        ("http://[::ffff:127.0.0.1]/", Refused::Inside),
        ("http://[::ffff:8.8.8.8]/", Refused::Inside),
        ("http://[::7f00:1]/", Refused::Inside),
        ("http://[64:ff9b::7f00:1]/", Refused::Inside),
        ("http://[2002:7f00:1::]/", Refused::Inside),
        ("http://[fe80::1]/", Refused::Inside),
        ("http://[fc00::1]/", Refused::Inside),
        ("http://example.nl:22/", Refused::Port),
        ("http://example.nl:6379/", Refused::Port),
        ("http://user:secret@example.nl/", Refused::Credentials),
        ("file:///etc/passwd", Refused::Scheme),
        ("gopher://example.nl:70/_x", Refused::Scheme),
    ];

    #[test]
    fn attacks_are_refused() {
        for (attack, why) in ATTACKS {
            assert_eq!(parse(attack, Reach::Web), Err(why), "{attack}");
        }
    }

    #[test]
    fn the_web_may_be_asked() {
        for url in [
            "https://archief.example.nl/collectie?x=1",
            "http://example.nl:80/",
            "https://8.8.8.8/",
            "https://[2001:4860:4860::8888]/",
            "https://xn--caf-dma.example/",
        ] {
            assert!(parse(url, Reach::Web).is_ok(), "{url}");
        }
    }

    #[test]
    fn the_switch_for_tests_opens_addresses_and_no_schemes() {
        assert!(parse("http://127.0.0.1:8080/", Reach::Anything).is_ok());
        assert_eq!(
            parse("ftp://127.0.0.1/", Reach::Anything),
            Err(Refused::Scheme)
        );
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_of_the_web(text in "[a-z0-9:/.@\\[\\]%#?x-]{0,40}") {
            if let Ok(url) = parse(&format!("http://{text}"), Reach::Web) {
                prop_assert!(matches!(url.port_or_known_default(), Some(80 | 443)));
                match url.host() {
                    Some(Host::Ipv4(address)) => prop_assert!(is_public(address.into())),
                    Some(Host::Ipv6(address)) => prop_assert!(is_public(address.into())),
                    Some(Host::Domain(name)) => prop_assert!(name.contains('.')),
                    None => prop_assert!(false, "no host"),
                }
            }
        }

        #[test]
        fn no_form_of_ipv6_hides_an_inner_address(bits in any::<u32>()) {
            let inner = Ipv4Addr::from_bits(bits);
            prop_assert!(!is_public(inner.to_ipv6_mapped().into()));
            prop_assert!(!is_public(inner.to_ipv6_compatible().into()));
        }

        #[test]
        fn what_the_standard_library_calls_inside_is_refused(bits in any::<u32>()) {
            let address = Ipv4Addr::from_bits(bits);
            let inside = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_unspecified() || address.is_broadcast()
                || address.is_documentation();
            prop_assert!(!inside || !is_public(address.into()));
        }
    }
}
