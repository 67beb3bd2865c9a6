//! From the text of a form to types that can be trusted, with an error for each field.

use crate::error::Say;

/// What is wrong with a form, by field. Empty: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors(Vec<(&'static str, Say)>);

/// Bounds of a text field, in characters.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// At least this many; 0 makes it optional.
    pub least: usize,
    /// At most this many.
    pub most: usize,
}

impl FieldErrors {
    /// Notes that `field` is wrong.
    pub fn add(&mut self, field: &'static str, say: Say) {
        self.0.push((field, say));
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong with `field`.
    #[must_use]
    pub fn of(&self, field: &str) -> Option<&Say> {
        self.0
            .iter()
            .find(|(name, _)| *name == field)
            .map(|(_, say)| say)
    }

    /// Everything, in the order found.
    pub fn iter(&self) -> impl Iterator<Item = &(&'static str, Say)> {
        self.0.iter()
    }

    /// The text of a field, trimmed; notes where it is too short or too long or holds control characters.
    pub fn text(&mut self, field: &'static str, raw: &str, bounds: Text) -> String {
        let text = raw.trim();
        let length = text.chars().count();
        if length < bounds.least {
            self.add(field, Say::new("field-required"));
        } else if length > bounds.most {
            self.add(
                field,
                Say::new("field-too-long")
                    .with("most", bounds.most)
                    .with("length", length),
            );
        } else if text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        {
            self.add(field, Say::new("field-control-characters"));
        }
        text.to_owned()
    }

    /// A whole number of a field within `least..=most`.
    pub fn number(&mut self, field: &'static str, raw: &str, least: i64, most: i64) -> i64 {
        match raw.trim().parse::<i64>() {
            Ok(value) if (least..=most).contains(&value) => value,
            _ => {
                self.add(
                    field,
                    Say::new("field-number")
                        .with("least", least)
                        .with("most", most),
                );
                least
            }
        }
    }

    /// One of a fixed set of words.
    pub fn choice<T>(&mut self, field: &'static str, found: Option<T>) -> Option<T> {
        if found.is_none() {
            self.add(field, Say::new("field-choice"));
        }
        found
    }

    /// With what is wrong with another part of the same form.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// `value` where nothing is wrong.
    ///
    /// # Errors
    /// Itself, where something is.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}
