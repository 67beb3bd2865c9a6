//! One field of the settings: read with its bounds, or what is usual where it is empty.

use super::draft::yes_no;
use crate::{error::Say, web::FieldErrors};

/// A whole number; empty: what is usual.
pub(super) fn whole(
    errors: &mut FieldErrors,
    (field, raw): (&'static str, &str),
    usual: u32,
    (least, most): (u32, u32),
) -> u32 {
    if raw.trim().is_empty() {
        return usual;
    }
    let number = errors.number(field, raw, i64::from(least), i64::from(most));
    u32::try_from(number).unwrap_or(usual)
}

/// A whole number; empty: none.
pub(super) fn at_will(
    errors: &mut FieldErrors,
    field: (&'static str, &str),
    bounds: (u32, u32),
) -> Option<u32> {
    (!field.1.trim().is_empty()).then(|| whole(errors, field, bounds.0, bounds))
}

/// A number with a point or a comma; empty: what is usual.
pub(super) fn fraction(
    errors: &mut FieldErrors,
    (field, raw): (&'static str, &str),
    usual: f32,
    (least, most): (f32, f32),
) -> f32 {
    match number(raw) {
        None => usual,
        Some(Ok(number)) if (least..=most).contains(&number) => number,
        Some(_) => {
            errors.add(
                field,
                Say::new("jobs-number-between")
                    .with("least", least)
                    .with("most", most),
            );
            usual
        }
    }
}

/// A number with a point or a comma; none where nothing was typed.
pub(super) fn number(raw: &str) -> Option<Result<f32, std::num::ParseFloatError>> {
    let text = raw.trim().replace(',', ".");
    (!text.is_empty()).then(|| text.parse())
}

/// Yes or no; empty: what is usual.
pub(super) fn switch(
    errors: &mut FieldErrors,
    (field, raw): (&'static str, &str),
    usual: bool,
) -> bool {
    if raw.is_empty() {
        return usual;
    }
    errors.choice(field, yes_no(raw)).unwrap_or(usual)
}

/// One of a few words; empty: the usual one.
pub(super) fn word<T: Copy + Default>(
    errors: &mut FieldErrors,
    (field, raw): (&'static str, &str),
    words: &[(&str, T)],
) -> T {
    if raw.is_empty() {
        return T::default();
    }
    let found = words.iter().find(|(name, _)| *name == raw);
    errors
        .choice(field, found.map(|(_, value)| *value))
        .unwrap_or_default()
}
