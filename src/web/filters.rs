//! What templates may call: `{{ "key"|t(chrome.lang) }}`.

use super::lang::Lang;

/// The text of a key.
#[askama::filter_fn]
pub fn t(key: &str, _: &dyn askama::Values, lang: &Lang) -> askama::Result<String> {
    Ok(lang.t(key))
}

/// The text of a key with one argument: `{{ "files-count"|t1(chrome.lang, "count", files.len()) }}`.
#[askama::filter_fn]
pub fn t1(
    key: &str,
    _: &dyn askama::Values,
    lang: &Lang,
    name: &'static str,
    value: &dyn std::fmt::Display,
) -> askama::Result<String> {
    Ok(lang.t_with(key, &[(name, value.to_string())]))
}
