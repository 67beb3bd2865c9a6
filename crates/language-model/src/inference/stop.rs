/// Finds stop strings in text that comes in pieces, and holds back what may be the start of one.
#[derive(Debug, Clone)]
pub struct StopMatcher {
    stops: Vec<String>,
    held: String,
    is_stopped: bool,
}

impl StopMatcher {
    /// A matcher for these strings; empty ones are left out.
    pub fn new(stops: &[String]) -> Self {
        Self {
            stops: stops
                .iter()
                .filter(|stop| !stop.is_empty())
                .cloned()
                .collect(),
            held: String::new(),
            is_stopped: false,
        }
    }

    /// Takes the next text and returns what is safe to show: none of it belongs to a stop string.
    pub fn push(&mut self, text: &str) -> String {
        if self.is_stopped {
            return String::new();
        }
        self.held.push_str(text);
        if let Some(at) = self
            .stops
            .iter()
            .filter_map(|stop| self.held.find(stop))
            .min()
        {
            self.is_stopped = true;
            let mut shown = std::mem::take(&mut self.held);
            shown.truncate(at);
            return shown;
        }
        let safe = self.held.len() - self.possible_start();
        let rest = self.held.split_off(safe);
        std::mem::replace(&mut self.held, rest)
    }

    /// Whether a stop string has come up; nothing is shown after it.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// What was held back, at the end of a text without stop string.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end of the held text that are the start of a stop string.
    fn possible_start(&self) -> usize {
        let longest = |stop: &String| {
            let ends = stop.char_indices().map(|(at, _)| at).filter(|&at| at > 0);
            ends.filter(|&at| {
                stop.get(..at)
                    .is_some_and(|start| self.held.ends_with(start))
            })
            .max()
        };
        self.stops.iter().filter_map(longest).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(stops: &[&str], pieces: &[&str]) -> (Vec<String>, bool) {
        let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let mut matcher = StopMatcher::new(&stops);
        let mut shown: Vec<String> = pieces.iter().map(|piece| matcher.push(piece)).collect();
        shown.push(matcher.finish());
        (shown, matcher.is_stopped())
    }

    #[test]
    fn a_stop_string_over_several_pieces_never_shows() {
        assert_eq!(
            shown(&["###"], &["a#", "#", "#b", "c"]),
            (
                vec!["a".into(), "".into(), "".into(), "".into(), "".into()],
                true
            )
        );
    }

    #[test]
    fn what_turns_out_not_to_be_a_stop_string_shows_late_but_whole() {
        assert_eq!(
            shown(&["###"], &["a##", "b"]),
            (vec!["a".into(), "##b".into(), "".into()], false)
        );
        assert_eq!(
            shown(&["###"], &["a##"]),
            (vec!["a".into(), "##".into()], false)
        );
        assert_eq!(
            shown(&["aab"], &["aaa", "b!"]),
            (vec!["a".into(), "".into(), "".into()], true)
        );
    }

    #[test]
    fn the_earliest_of_several_stop_strings_counts() {
        assert_eq!(
            shown(&["cd", "bc"], &["abcd"]),
            (vec!["a".into(), "".into()], true)
        );
    }

    #[test]
    fn characters_of_several_bytes_are_not_cut() {
        assert!(shown(&["één"], &["zé", "é", "n"]).1);
        assert_eq!(
            shown(&["é!"], &["xé", "é", "?"]),
            (vec!["x".into(), "é".into(), "é?".into(), "".into()], false)
        );
    }
}
