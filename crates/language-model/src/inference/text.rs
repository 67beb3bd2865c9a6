/// Turns the bytes of tokens into text as soon as characters are whole.
#[derive(Debug, Clone, Default)]
pub struct TextStream {
    /// The start of a character, three bytes at most.
    pending: Vec<u8>,
}

impl TextStream {
    /// Takes the bytes of the next token and returns the characters they complete.
    ///
    /// Bytes that cannot belong to a character become U+FFFD, as in `String::from_utf8_lossy`.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            let error = match std::str::from_utf8(&self.pending) {
                Ok(whole) => {
                    text.push_str(whole);
                    self.pending.clear();
                    return text;
                }
                Err(error) => error,
            };
            let (whole, rest) = self.pending.split_at(error.valid_up_to());
            text.push_str(&String::from_utf8_lossy(whole));
            let Some(wrong) = error.error_len() else {
                self.pending = rest.to_vec();
                return text;
            };
            text.push(char::REPLACEMENT_CHARACTER);
            self.pending = rest.get(wrong..).unwrap_or_default().to_vec();
        }
    }

    /// What is left at the end: U+FFFD for the start of a character that was not finished.
    pub fn finish(&mut self) -> String {
        let rest = std::mem::take(&mut self.pending);
        String::from_utf8_lossy(&rest).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_appear_when_they_are_whole() {
        let mut stream = TextStream::default();
        assert_eq!(stream.push(&[b'a', 0xc3]), "a");
        assert_eq!(stream.push(&[0xa9, 0xf0, 0x9f]), "é");
        assert_eq!(stream.push(&[0x98]), "");
        assert_eq!(stream.push(&[0x80, b'!']), "😀!");
        assert_eq!(stream.finish(), "");
    }

    #[test]
    fn any_cut_gives_the_text_of_the_whole() {
        let bytes = [0xff, b'a', 0xe2, 0x82, 0xac, 0xc3, b'b', 0xf0, 0x9f, 0x98];
        let whole = String::from_utf8_lossy(&bytes);
        for size in 1..=bytes.len() {
            let mut stream = TextStream::default();
            let mut text: String = bytes.chunks(size).map(|piece| stream.push(piece)).collect();
            text.push_str(&stream.finish());
            assert_eq!(text, whole);
        }
    }
}
