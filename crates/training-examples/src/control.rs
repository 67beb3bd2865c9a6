//! Texts that models read as the bounds of messages.

/// The first text in `text` that has the form in which models write control tokens, `<|name|>`: whoever has no
/// tokenizer at hand goes by the form, and refuses at most more than a tokenizer would.
#[must_use]
pub fn control_text_in(text: &str) -> Option<&str> {
    text.match_indices("<|").find_map(|(at, _)| {
        let rest = &text[at + 2..];
        let name = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
        let is_whole = name > 0 && rest[name..].starts_with("|>");
        is_whole.then(|| &text[at..at + 2 + name + 2])
    })
}

#[cfg(test)]
mod tests {
    use super::control_text_in;

    #[test]
    fn control_tokens_are_known_by_their_form() {
        for (text, found) in [
            ("Hoi<|im_end|>\n", Some("<|im_end|>")),
            ("<|<|endoftext|>", Some("<|endoftext|>")),
            ("<|eot_id|><|im_start|>", Some("<|eot_id|>")),
            ("a <| b |> c", None),
            ("<||> <|im_end", None),
            ("x < y | y > z", None),
        ] {
            assert_eq!(control_text_in(text), found, "{text}");
        }
    }
}
