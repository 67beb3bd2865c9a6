//! Reading a query or a form.

use std::collections::BTreeMap;

/// SURFconext answers longer requests with "URI too long".
const LIMIT_BYTES: usize = 8184;

/// Parameters of a request, each given once.
#[derive(Debug, Default)]
pub(crate) struct Parameters(BTreeMap<String, String>);

/// Why parameters cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParametersError {
    #[error("the request is longer than {LIMIT_BYTES} bytes")]
    TooLong,
    /// RFC 6749, 3.1: parameters must not be included more than once.
    #[error("a parameter is given twice")]
    Repeated,
}

impl Parameters {
    /// Reads `a=b&c=d`; an empty value counts as not given (RFC 6749, 3.1).
    pub(crate) fn parse(encoded: &[u8]) -> Result<Self, ParametersError> {
        if encoded.len() > LIMIT_BYTES {
            return Err(ParametersError::TooLong);
        }
        let mut parameters = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(encoded) {
            if value.is_empty() {
                continue;
            }
            let earlier = parameters.insert(name.into_owned(), value.into_owned());
            if earlier.is_some() {
                return Err(ParametersError::Repeated);
            }
        }
        Ok(Self(parameters))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_missing_and_twice_is_refused() {
        let parameters = Parameters::parse(b"state=&nonce=a%20b").unwrap();
        assert_eq!(parameters.get("state"), None);
        assert_eq!(parameters.get("nonce"), Some("a b"));
        let twice = Parameters::parse(b"state=1&state=2").unwrap_err();
        assert_eq!(twice, ParametersError::Repeated);
        let long = vec![b'a'; LIMIT_BYTES + 1];
        assert_eq!(
            Parameters::parse(&long).unwrap_err(),
            ParametersError::TooLong
        );
    }
}
