//! Folding keys under common prefixes while walking in order, and skipping what is folded.

/// What a listing asks of the keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) prefix: String,
    pub(crate) delimiter: Option<String>,
}

impl Filter {
    /// The common prefix that `key` is folded under: up to and with the first delimiter after the prefix.
    pub(crate) fn fold<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter.as_deref().filter(|it| !it.is_empty())?;
        let rest = key.strip_prefix(self.prefix.as_str())?;
        let end = self.prefix.len() + rest.find(delimiter)? + delimiter.len();
        key.get(..end)
    }
}

/// The first string behind all that start with `prefix`; `None` where there is none.
pub(crate) fn behind(prefix: &str) -> Option<String> {
    let mut prefix = prefix.to_owned();
    while let Some(last) = prefix.pop() {
        let next = match last {
            // Between the two lie the surrogates, which are no characters.
            '\u{D7FF}' => Some('\u{E000}'),
            other => char::from_u32(u32::from(other) + 1),
        };
        if let Some(next) = next {
            prefix.push(next);
            return Some(prefix);
        }
    }
    None
}

/// The first string behind `key` itself.
pub(crate) fn just_behind(key: &str) -> String {
    format!("{key}\0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(prefix: &str, key: &str) -> Option<String> {
        let filter = Filter {
            prefix: prefix.to_owned(),
            delimiter: Some("/".to_owned()),
        };
        filter.fold(key).map(str::to_owned)
    }

    #[test]
    fn keys_fold_at_the_first_delimiter_after_the_prefix() {
        assert_eq!(folded("", "a/b/c"), Some("a/".to_owned()));
        assert_eq!(folded("a/", "a/b/c"), Some("a/b/".to_owned()));
        assert_eq!(folded("a/", "a/b"), None);
        assert_eq!(folded("a", "a"), None);
    }

    #[test]
    fn behind_a_prefix_comes_what_does_not_start_with_it() {
        for prefix in ["a", "map/", "\u{D7FF}", "é", "x\u{10FFFF}"] {
            let behind = behind(prefix).unwrap();
            assert!(behind.as_str() > prefix, "{prefix:?}");
            assert!(!behind.starts_with(prefix), "{prefix:?}");
            let inside = format!("{prefix}\u{10FFFF}\u{10FFFF}");
            assert!(inside < behind, "{prefix:?}");
        }
        assert_eq!(behind("\u{10FFFF}"), None);
        assert_eq!(behind(""), None);
    }
}
